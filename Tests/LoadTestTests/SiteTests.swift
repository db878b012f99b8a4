import ApusTesting
import Foundation
import Testing

@testable import apus_loadtest

@Suite("Sites")
struct SiteTests {
    private static func plan(_ nodes: Int, _ store: SitePlan.Store) throws -> SitePlan {
        SitePlan(nodes: nodes, store: store, executable: try ApusProcess.executable())
    }

    private static func exists(_ pid: Int32) -> Bool { kill(pid, 0) == 0 }

    @Test("a fleet comes up with its servers, is measured, drains, and leaves no process behind")
    func fleet() async throws {
        let site = try await Site.start(try Self.plan(2, .fleet))
        let pids = site.processes.map(\.identifier)
        do {
            #expect(site.processes.map(\.role) == [.redis, .nats, .node, .node])
            #expect(site.target.urls.count == 2 && Set(site.target.urls).count == 2)
            #expect(site.target.backends.count == 2 && site.target.nats?.hasPrefix("nats://127.0.0.1:") == true)
            #expect(await site.redisMemory().map { $0.used > 100_000 && $0.resident > 100_000 } == true)
            let versions = await site.versions()
            #expect(Set(versions.keys) == ["apus", "redis-server", "nats-server"], "\(versions)")

            let sampler = ResourceSampler(began: .now, every: 60) { await site.redisMemory()?.used }
            sampler.watch(site)
            await sampler.look()
            let seen = await sampler.stop()
            #expect(seen.processes.map(\.name) == ["redis-server", "nats-server", "gw-1", "gw-2"])
            for series in seen.processes {
                #expect(series.samples.count == 2 && series.peakResident > 1_000_000, "\(series.name)")
            }
            let memory = try #require(seen.memory.last)
            #expect(memory.slab > 1_000_000 && memory.available > 1_000_000 && (memory.redis ?? 0) > 100_000)

            #expect(await site.drain(within: 30) == [0, 0])
        } catch {
            site.stop()
            throw error
        }
        site.stop()
        for pid in pids { #expect(!Self.exists(pid), "process \(pid) is still there") }
    }

    @Test("an embedded node needs no other server, and is pinned to the processors that were asked for")
    func embedded() async throws {
        var plan = try Self.plan(1, .embedded)
        let core = try #require(Executables.processors().last)
        plan.nodeCores = [core]
        let site = try await Site.start(plan)
        defer { site.stop() }
        #expect(site.processes.map(\.name) == ["gw-1"])
        #expect(site.target.nats == nil && site.target.urls.count == 1)
        let status = try String(contentsOfFile: "/proc/\(site.nodes[0].identifier)/status", encoding: .utf8)
        #expect(status.contains("Cpus_allowed_list:\t\(core)\n"))
    }

    @Test("a node that does not start is an error with its own words, and nothing is left")
    func failure() async throws {
        var plan = try Self.plan(1, .embedded)
        plan.settings = ["APUS_PING_SECONDS": "never"]
        do {
            let site = try await Site.start(plan)
            site.stop()
            Issue.record("the site came up")
        } catch let error as SiteError {
            #expect(error.description.contains("gw-1 ended while it started"), "\(error)")
            #expect(error.description.lowercased().contains("ping"), "\(error)")
        }
    }

    @Test("what is missing is named with its remedy")
    func missing() async throws {
        #expect(throws: SiteError("no-such-server is not installed: buy one")) {
            try Executables.find("no-such-server", remedy: "buy one")
        }
        await #expect(throws: SiteError.self) {
            try await Site.start(SitePlan(executable: "/nowhere/apus"))
        }
        #expect(throws: SiteError.self) { try SitePlan(nodes: 2, store: .embedded).check() }
        #expect(throws: SiteError.self) { try SitePlan(nodes: 0).check() }
        #expect(throws: SiteError.self) { try SitePlan(settings: ["PATH": "/"]).check() }
    }

    @Test("a counter of the nodes is read from their metrics")
    func counter() async throws {
        let page = "# TYPE apus_a_total counter\napus_a_total 12\napus_a_total_more 3\napus_b{code=\"1\"} 4\n"
        #expect(Site.value(of: "apus_a_total", in: page) == 12)
        #expect(Site.value(of: "apus_b", in: page) == nil && Site.value(of: "apus_c", in: page) == nil)
        let site = try await Site.start(try Self.plan(1, .embedded))
        defer { site.stop() }
        #expect(await site.counter("apus_sessions_behind_total") == 0)
        #expect(await site.counter("apus_live_dropped_total") == 0)
        #expect(await site.counter("apus_no_such_total") == nil)
        try await site.publish(to: "a.topic", #"[{"data":{}},{"data":{"a":1}}]"#)
        await #expect(throws: SiteError.self) { try await site.publish(to: "a.topic", "[") }
    }

    @Test("an answer of HTTP is read when it is whole")
    func answer() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        let whole = BackendRequest.Answer(status: 200, body: "hello")
        #expect(BackendRequest.answer(Array(text.utf8)) == whole)
        for count in 0..<text.utf8.count { #expect(BackendRequest.answer(Array(text.utf8.prefix(count))) == nil) }
    }

    @Test("processors are read from the kernel's lists")
    func processors() {
        #expect(Executables.list("0-2,5") == [0, 1, 2, 5])
        #expect(Executables.list("3") == [3] && Executables.list("x").isEmpty && Executables.list("4-2").isEmpty)
        #expect(!Executables.processors().isEmpty)
    }
}
