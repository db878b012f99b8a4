import ApusTesting
import Foundation
import Testing
import Wire

@Suite("Whispers move in, embedded", .serialized)
struct EmbeddedImportTests {
    @Test(
        "order, numbers, times, read cursors and unread counts of all users are those of the table; again imports nothing"
    )
    func exact() async throws {
        var table = WhisperTable(seed: 1, users: 12, pairs: 25, whispers: 900)
        let whispers = table.rows.count
        table.add([
            .init(id: 1, sender: 90, receiver: 90, content: "to oneself", isRead: false, at: 1_700_000_000),
            .init(
                id: 2, sender: 90, receiver: 93, content: "deleted", isRead: false, at: 1_700_000_000, isDeleted: true),
            .init(id: 3, sender: 90, receiver: 93, type: 2, content: "a comment", isRead: false, at: 1_700_000_000),
        ])
        try await ImportSite.with { site in
            try site.write(table.csv() + "4,4,0,93,bad user,\"x\",0,0,1700000000,0,0\nbroken,row\n")
            let first = try await site.run()
            try #require(first.status == 0, "\(first.output)")
            #expect(first.figure("rows read") == whispers + 5)
            #expect(first.figure("whispers") == whispers)
            #expect(first.figure("imported") == whispers)
            #expect(first.figure("already there") == 0)
            #expect(first.figure("conversations") == table.conversations.count)
            #expect(first.figure("users") == table.users.count)
            #expect(first.figure("passed over") == 5)
            for reason in [
                "another type", "deleted in paopao", "to oneself", "unusable user id", "not a row of this table",
            ] {
                #expect(first.figure(reason) == 1, "\(reason)")
            }
            #expect(first.output.contains("line \(whispers + 3)") == false, "what is deleted is only counted")
            try await site.node { try await site.compare(table, on: $0) }

            let second = try await site.run()
            #expect(second.status == 0)
            #expect(second.figure("imported") == 0)
            #expect(second.figure("already there") == whispers)
            try await site.node { try await site.compare(table, on: $0) }
        }
    }

    @Test(
        "killed in the middle and run again, it goes on where it stopped and everything is there once",
        arguments: [
            ["import.sent:1", "import.sent:300"], ["import.sent:137", "import.read:3", "import.advanced:1"],
            ["import.read:1", "import.advanced:20", "import.sent:40"],
        ])
    func killed(points: [String]) async throws {
        let table = WhisperTable(seed: 2, users: 9, pairs: 20, whispers: 600)
        try await ImportSite.with { site in
            try await table.write(sqlite: site.file)
            var died = 0
            for point in points {
                let outcome = try await site.run(crash: point)
                if outcome.status == 128 + SIGKILL {
                    died += 1
                } else {
                    #expect(outcome.status == 0, "\(outcome.output)")
                }
            }
            #expect(died > 0, "no point was reached")
            let last = try await site.run()
            #expect(last.status == 0, "\(last.output)")
            #expect(last.figure("imported") + last.figure("already there") == 600)
            try await site.node { try await site.compare(table, on: $0) }
        }
    }

    @Test("a node's sweeper that finds what a killed import left resets conversations and fills no timeline")
    func swept() async throws {
        let table = WhisperTable(seed: 3, users: 4, pairs: 5, whispers: 120)
        try await ImportSite.with { site in
            try site.write(table.tsv())
            #expect(try await site.run(crash: "import.advanced:1").status == 128 + SIGKILL)
            try await site.node { node in
                let key = try await TestKey.hs256(ApusProcess.secret)
                try await eventually("somebody was told by the sweeper, too", within: 40) {
                    for user in table.users {
                        let client = try await ScriptedClient.connect(port: node.port)
                        defer { client.drop() }
                        let welcome = try await client.hello(token: try key.token(user: "\(user)"))
                        if let seq = welcome["seq"]?.integer, seq > 1 { return true }
                    }
                    return false
                }
            }
            let last = try await site.run()
            #expect(last.status == 0, "\(last.output)")
            try await site.node { node in try await site.compare(table, on: node, isUndisturbed: false) }
        }
    }

    @Test("a later export brings what is new, with its own times, and moves read cursors on")
    func later() async throws {
        let all = WhisperTable(seed: 4, users: 6, pairs: 8, whispers: 300)
        let cut = all.rows.map(\.at).sorted()[200]
        let early = WhisperTable(
            all.rows.filter { $0.at <= cut }.map { row in
                var row = row
                row.isRead = row.isRead && row.id % 2 == 0
                return row
            })
        try await ImportSite.with { site in
            try site.write(early.csv())
            #expect(try await site.run().figure("imported") == early.rows.count)
            try site.write(all.csv())
            let second = try await site.run()
            #expect(second.figure("imported") == 300 - early.rows.count, "\(second.output)")
            #expect(second.figure("already there") == early.rows.count)
            try await site.node { try await site.compare(all, on: $0, isUndisturbed: false) }
        }
    }

    @Test("beside a running node on the same folder it ends with 64, and the node goes on")
    func locked() async throws {
        try await ImportSite.with { site in
            try site.write(WhisperTable(seed: 5, users: 3, pairs: 2, whispers: 5).csv())
            try await site.node { node in
                let outcome = try await site.run()
                #expect(outcome.status == 64)
                #expect(outcome.output.contains("the folder is in use by another node; stop that one"))
                #expect(try await node.status("/readyz") == 200)
            }
        }
    }
}

@Suite("Whispers move in, beside a fleet", .serialized)
struct FleetImportTests {
    private func settings(_ fleet: Fleet) -> [String: String] {
        ["APUS_REDIS_URL": fleet.redis.url(), "APUS_NATS_URL": fleet.nats.url]
    }

    @Test("while two nodes run, and killed three times: exact on both, and nothing old in any timeline")
    func exact() async throws {
        let table = WhisperTable(seed: 6, users: 12, pairs: 30, whispers: 1500)
        try await Fleet.with { fleet in
            try await ImportSite.with(environment: settings(fleet)) { site in
                try site.write(table.tsv())
                for point in ["import.sent:400", "import.sent:500", "import.advanced:9"] {
                    #expect(try await site.run(crash: point).status == 128 + SIGKILL)
                }
                let last = try await site.run()
                #expect(last.status == 0, "\(last.output)")
                #expect(last.figure("imported") + last.figure("already there") == 1500)
                for node in fleet.nodes { try await site.compare(table, on: node, isUndisturbed: false) }
                let again = try await site.run()
                #expect(again.figure("imported") == 0)
                #expect(again.figure("already there") == 1500)
            }
        }
    }

    @Test("where people have talked since, whispers stay out unless --append puts them after what was said")
    func talking() async throws {
        let rows: [WhisperTable.Row] = [
            .init(id: 5, sender: 11, receiver: 12, content: "old", isRead: true, at: 1_700_000_000),
            .init(id: 6, sender: 12, receiver: 11, content: "older answer", isRead: false, at: 1_700_000_100),
            .init(id: 7, sender: 11, receiver: 13, content: "elsewhere", isRead: false, at: 1_700_000_200),
        ]
        try await Fleet.with(nodes: 1) { fleet in
            try await ImportSite.with(environment: settings(fleet)) { site in
                try site.write(WhisperTable(rows).csv())
                let ann = try await fleet.device("11", on: fleet.nodes[0])
                #expect(try await ann.request(#""op":"send","to":"12","cid":"c1","body":{"text":"new"}"#)["ok"] != nil)
                let refused = try await site.run()
                #expect(refused.status == 0)
                #expect(refused.figure("imported") == 1)
                #expect(refused.figure("not imported") == 2)
                #expect(refused.output.contains("d:11:12: 2 whispers not imported: newer messages are there already"))
                let appended = try await site.run("--append")
                #expect(appended.figure("imported") == 2, "\(appended.output)")
                #expect(appended.figure("already there") == 1)
                #expect(try await site.run().figure("already there") == 3)
                let history = try await ann.request(#""op":"history","conv":"d:11:12""#)
                let texts = history["ok"]?.object?["messages"]?.array?.map {
                    $0.object?["body"]?.object?["text"]?.string
                }
                #expect(texts == ["new", "old", "older answer"])
                let list = try await ann.request(#""op":"conversations""#)
                let talk = list["ok"]?.object?["conversations"]?.array?.compactMap(\.object)
                    .first { $0["conv"]?.string == "d:11:12" }
                #expect(talk?["unread"]?.integer == 1)
                // The next message reaches both, in its place.
                let ben = try await fleet.device("12", on: fleet.nodes[0])
                #expect(
                    try await ann.request(#""op":"send","to":"12","cid":"c2","body":{"text":"newest"}"#)["ok"] != nil)
                try await eventually("it arrives") { ben.events.contains { $0["n"]?.integer == 4 } }
            }
        }
    }

    @Test("somebody who writes in the middle of an import stops that conversation, not the others")
    func interrupted() async throws {
        let long = (1...6000).map {
            WhisperTable.Row(
                id: $0, sender: 11, receiver: 12, content: "w\($0)", isRead: true, at: 1_700_000_000 + $0)
        }
        let short = WhisperTable.Row(
            id: 9000, sender: 13, receiver: 12, content: "short", isRead: true, at: 1_700_009_000)
        try await Fleet.with(nodes: 1) { fleet in
            try await ImportSite.with(environment: settings(fleet)) { site in
                try site.write(WhisperTable(long + [short]).csv())
                let ann = try await fleet.device("11", on: fleet.nodes[0])
                let process = try site.start()
                defer { process.stop() }
                try await eventually("it is in the middle") {
                    Int(try await fleet.redis.command("LLEN", "apus:{c:d:11:12}:l")) ?? 0 > 20
                }
                process.signal(SIGSTOP)
                let sent = try await ann.request(#""op":"send","to":"12","cid":"c1","body":{"text":"live"}"#)
                process.signal(SIGCONT)
                #expect(await process.waitForExit() == 0)
                let n = try #require(sent["ok"]?.object?["n"]?.integer)
                try #require(n < 6000, "the import was faster")
                #expect(process.output.contains("people write in it meanwhile"), "\(process.output)")
                let rest = try await site.run("--append")
                #expect(rest.figure("already there") + rest.figure("imported") == 6001, "\(rest.output)")
                let history = try await ann.request(#""op":"history","conv":"d:11:12","after":5900,"limit":200"#)
                let texts = history["ok"]?.object?["messages"]?.array?.map {
                    $0.object?["body"]?.object?["text"]?.string
                }
                #expect(texts == (5900...6000).map { "w\($0)" }, "every whisper once, one live message before them")
                let list = try await ann.request(#""op":"conversations""#)
                let talk = list["ok"]?.object?["conversations"]?.array?.first?.object
                #expect(talk?["unread"]?.integer == 0)
                #expect(talk?["others"]?.array?.first?.object?["read_n"]?.integer == 6001)
            }
        }
    }

    @Test("it waits for a Redis that is killed and started again")
    func outage() async throws {
        let table = WhisperTable(seed: 8, users: 10, pairs: 20, whispers: 4000)
        try await Fleet.with(nodes: 1) { fleet in
            try await ImportSite.with(environment: settings(fleet)) { site in
                try site.write(table.csv())
                let process = try site.start()
                defer { process.stop() }
                try await eventually("it writes") { try await fleet.redis.command("DBSIZE") != "0" }
                fleet.redis.killNow()
                try await fleet.redis.start()
                #expect(await process.waitForExit() == 0, "\(process.output)")
                #expect(try await site.run().figure("already there") == 4000)
                try await site.compare(table, on: fleet.nodes[0], isUndisturbed: false)
            }
        }
    }
}
