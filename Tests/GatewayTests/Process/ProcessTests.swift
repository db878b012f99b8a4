import ApusTesting
import Core
import Foundation
import Testing
import Wire

@testable import Gateway

/// What these suites do with an `apus` in a process of its own.
extension ApusProcess {
    static func token(_ user: String) async throws -> String { try await TestKey.hs256(secret).token(user: user) }

    /// Runs `body` with a node that is up, and ends it whatever happens.
    static func run(
        environment: [String: String] = [:], arguments: [String] = [], _ body: (ApusProcess) async throws -> Void
    ) async throws {
        let process = try ApusProcess(environment: environment, arguments: arguments)
        defer { process.server.stop() }
        try await process.start()
        try await body(process)
    }

    func session(_ user: String, resume: String? = nil) async throws -> (client: ScriptedClient, welcome: JSONObject) {
        let client = try await ScriptedClient.connect(port: port)
        return (client, try await client.hello(token: try await Self.token(user), resume: resume))
    }

    func notify(_ user: String, id: String) async throws -> BackendAnswer {
        let answer = try await backend(
            "POST", "/v1/notifications", body: "{\"to\":\"\(user)\",\"id\":\"\(id)\",\"type\":\"a.b\"}")
        return BackendAnswer(status: answer.status, body: answer.body)
    }
}

@Suite("The executable, embedded: killed, stopped, signalled")
struct ProcessTests {
    #if os(Linux)
        @Test(
            "No thread takes the processor from another one, unless APUS_SCHEDULING says so (ADR 21)",
            arguments: [("batch", 3), ("normal", 0)])
        func scheduling(setting: String, policy: Int) async throws {
            try await ApusProcess.run(environment: ["APUS_SCHEDULING": setting]) { process in
                let folder = "/proc/\(process.server.processIdentifier)/task"
                let threads = try FileManager.default.contentsOfDirectory(atPath: folder)
                #expect(threads.count > 3)
                for thread in threads {
                    let text = try String(contentsOfFile: "\(folder)/\(thread)/stat", encoding: .utf8)
                    // proc_pid_stat(5): `policy` is the 41st, the 39th behind the name in parentheses.
                    let fields = try #require(text.split(separator: ")").last).split(separator: " ")
                    #expect(fields[38] == "\(policy)")
                }
            }
        }
    #endif

    @Test(
        "kill -9 in the middle of publishing and a restart on the same data: nothing stored is lost, nothing doubled, resume is exact"
    )
    func killed() async throws {
        try await ApusProcess.run { process in
            let user = someUser()
            let (client, welcome) = try await process.session(user)
            let stored = Locked<[String]>([])
            let publishing = Task {
                for i in 0..<10_000 {
                    guard let answer = try? await process.notify(user, id: "n\(i)"), answer.status == 200 else {
                        return
                    }
                    stored.change { $0.append("n\(i)") }
                }
            }
            try await eventually("some are stored", within: 60) { stored.value.count >= 30 }
            process.server.killNow()
            await publishing.value
            var seen: [JSONObject] = []
            while case .text(let text) = try await client.next() { seen.append(try JSONObject(Array(text.utf8))) }
            #expect(seen.map { $0.number("seq") } == (0..<seen.count).map { Int64($0) + 1 })

            try await process.start()
            // From where this client stood: the last event that it has seen.
            let last = try #require(seen.last)
            let position =
                "{\"epoch\":\"\(welcome.string("epoch") ?? "")\",\"seq\":\(last.number("seq") ?? 0),\"last\":\"\(last.string("id") ?? "")\"}"
            let (again, resumed) = try await process.session(user, resume: position)
            defer { again.drop() }
            #expect(resumed.bool("resumed") == true)
            let head = try #require(resumed.number("seq"))
            let rest = try await again.durable(Int(head) - seen.count)
            let all = seen + rest
            #expect(all.map { $0.number("seq") } == (1...head).map { $0 })
            let ids = all.compactMap { $0.string("id") }
            #expect(Set(ids).count == ids.count)
            #expect(Set(stored.value).isSubset(of: Set(ids)))
            #expect(ids.count <= stored.value.count + 1)
            // Repeating what was answered stores nothing again.
            #expect(try await process.notify(user, id: "n0").results.first?.bool("duplicate") == true)
        }
    }

    @Test("SIGTERM drains and ends with 0; a session hears draining and 4512, and finds everything after a restart")
    func terminated() async throws {
        try await ApusProcess.run { process in
            let user = someUser()
            let (client, _) = try await process.session(user)
            #expect(try await process.notify(user, id: "before").status == 200)
            #expect(try await client.durable(1).count == 1)
            let began = ContinuousClock.now
            process.server.signal(SIGTERM)
            #expect(try await client.event("draining").number("reconnect_ms") != nil)
            #expect(try await client.closeCode() == 4512)
            #expect(await process.server.waitForExit() == 0)
            #expect(ContinuousClock.now - began < .seconds(30))
            try await process.start()
            let (again, welcome) = try await process.session(user)
            defer { again.drop() }
            #expect(welcome.number("seq") == 1)
            #expect(welcome.unreadNotifications == 1)
        }
    }

    @Test("SIGHUP changes nothing for a node without files, and a second node on the same data is refused with 64")
    func signalledAndDoubled() async throws {
        try await ApusProcess.run { process in
            let (client, _) = try await process.session(someUser())
            defer { client.drop() }
            process.server.signal(SIGHUP)
            #expect(try await client.ask("ping")["ok"] != nil)
            let data = process.server.folder.appendingPathComponent("data").path
            let second = try ApusProcess("gw-2", environment: ["APUS_DATA": data])
            defer { second.server.stop() }
            try second.server.start()
            #expect(await second.server.waitForExit() == 64)
            #expect(try await client.ask("ping")["ok"] != nil)
        }
    }

    @Test("It prints one line with its addresses when it is up")
    func announcement() async throws {
        try await ApusProcess.run { process in
            try await eventually("the line is there") { process.server.output.contains("is up") }
            let lines = process.server.output.split(separator: "\n").filter { $0.contains("is up: ws://") }
            #expect(lines.count == 1)
            #expect(lines.first?.contains("ws://127.0.0.1:\(process.port)/ws") == true)
            #expect(lines.first?.contains("http://127.0.0.1:\(process.backendPort)") == true)
        }
    }

    @Test("/metrics is Prometheus text that parses, and its counters move")
    func metrics() async throws {
        try await ApusProcess.run { process in
            let read = { () async throws -> [String: Double] in
                let answer = try await process.backend("GET", "/metrics", key: nil)
                #expect(answer.status == 200)
                var values: [String: Double] = [:]
                for line in answer.body.split(separator: "\n") where !line.hasPrefix("#") {
                    let at = try #require(line.lastIndex(of: " "))
                    let value = Double(String(line[line.index(after: at)...]))
                    #expect(value != nil, "\(line)")
                    values[String(line[..<at])] = value
                }
                return values
            }
            let before = try await read()
            #expect(before["apus_unread_drift_total"] == 0)
            let user = someUser()
            let (client, _) = try await process.session(user)
            defer { client.drop() }
            for _ in 0..<2 { _ = try await process.notify(user, id: "same") }
            #expect(try await client.durable(1).count == 1)
            _ = try await client.ask("ping")
            let after = try await read()
            let grown = { (name: String) in (after[name] ?? 0) - (before[name] ?? 0) }
            #expect(grown("apus_events_appended_total") == 1)
            #expect(grown("apus_events_duplicate_total") == 1)
            #expect(grown("apus_events_delivered_total") == 1)
            #expect(grown("apus_connections_total") >= 1)
            #expect(grown("apus_frames_in_total") >= 2)
            #expect(grown("apus_hellos_total{result=\"ok\"}") == 1)
            #expect(grown("apus_publish_to_socket_seconds_count") == 1)
        }
    }
}

@Suite("A node that cannot start says why in one line")
struct StartFailureTests {
    /// Runs it to its end. - Returns: the status and the line on stderr.
    private func start(_ environment: [String: String]) async throws -> (status: Int32, line: String) {
        let process = try ApusProcess(
            environment: environment.merging(["APUS_LOG_LEVEL": "critical"]) { old, _ in old })
        defer { process.server.stop() }
        try process.server.start()
        let status = await process.server.waitForExit()
        let lines = process.server.output.split(separator: "\n").filter { $0.hasPrefix("apus: ") }
        guard lines.count == 1 else { throw TestFailure("not one line: \(process.server.output)") }
        return (status, String(lines[0]))
    }

    @Test(
        "A configuration that is no good ends with 64 and names the setting",
        arguments: [
            (["APUS_AUTH_HS256_SECRET": "short"], "APUS_AUTH_HS256_SECRET"),
            (["APUS_AUTH_HS256_SECRET": ""], "APUS_AUTH_HS256_SECRET"),
            (["APUS_PING_SECONDS": "0"], "APUS_PING_SECONDS"),
            (["APUS_REDIS_URL": "redis://127.0.0.1:1"], "APUS_NATS_URL"),
            (["APUS_TLS_CERT": "/none.pem", "APUS_TLS_KEY": "/none.key"], "APUS_TLS_CERT"),
            (["APUS_TLS_CERT": "/etc/hostname"], "APUS_TLS_KEY"),
            (["APUS_DATA": "/proc/apus"], "APUS_DATA"),
            (["APUS_LISTEN": "nonsense"], "APUS_LISTEN"),
        ] as [([String: String], String)])
    func configuration(_ environment: [String: String], _ setting: String) async throws {
        let (status, line) = try await start(environment)
        #expect(status == 64, "\(line)")
        #expect(line.contains(setting), "\(line)")
    }

    @Test("A port that is taken ends with 69 and names the setting")
    func portTaken() async throws {
        let taken = try await TestNode.shared.port
        for setting in ["APUS_LISTEN", "APUS_BACKEND_LISTEN"] {
            let (status, line) = try await start([setting: "127.0.0.1:\(taken)"])
            #expect(status == 69, "\(line)")
            #expect(line.contains(setting), "\(line)")
        }
    }

    @Test("Servers that cannot be reached for 30 s end it with 69 and are named")
    func unreachable() async throws {
        let began = ContinuousClock.now
        let (status, line) = try await start([
            "APUS_REDIS_URL": "redis://127.0.0.1:1", "APUS_NATS_URL": "nats://127.0.0.1:1",
        ])
        #expect(status == 69, "\(line)")
        #expect(line.contains("APUS_REDIS_URL") || line.contains("APUS_NATS_URL"), "\(line)")
        #expect((25..<40).contains((ContinuousClock.now - began) / .seconds(1)))
    }
}
