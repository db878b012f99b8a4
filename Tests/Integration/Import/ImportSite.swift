import ApusTesting
import Foundation
import Testing
import Wire

/// Runs imports and compares what users then see with the table.
struct ImportSite {
    struct Outcome {
        let status: Int32
        /// Both outputs.
        let output: String

        /// A figure of the summary; -1 when it has none of this name.
        func figure(_ name: String) -> Int {
            for line in output.split(separator: "\n") {
                let line = line.drop { $0 == " " }
                guard line.hasPrefix(name + "  ") else { continue }
                return Int(line.dropFirst(name.count).drop { $0 == " " }.prefix(while: \.isNumber)) ?? -1
            }
            return -1
        }
    }

    /// Where the file stands, and the embedded store.
    let folder: URL
    /// Tells the importer where the data is.
    let environment: [String: String]

    var file: String { folder.appendingPathComponent("p_message").path }

    /// A new folder, removed after `body`.
    static func with(environment: [String: String]? = nil, _ body: (ImportSite) async throws -> Void) async throws {
        let folder = try TestFolder.make("site")
        defer { try? FileManager.default.removeItem(at: folder) }
        let data = ["APUS_DATA": folder.appendingPathComponent("data").path]
        try await body(ImportSite(folder: folder, environment: environment ?? data))
    }

    func write(_ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: file)) }

    /// A run to its end, or to the point where it dies.
    func run(_ arguments: String..., crash: String? = nil) async throws -> Outcome {
        let process = try start(arguments, crash: crash)
        defer { process.stop() }
        let status = await process.waitForExit()
        return Outcome(status: status, output: process.output)
    }

    func start(_ arguments: [String] = [], crash: String? = nil) throws -> ServerProcess {
        var environment = environment
        if let crash { environment["APUS_CRASHPOINT"] = crash }
        let process = ServerProcess(
            "import", executable: try ApusProcess.executable(),
            arguments: ["import", "paopao", "--file", file] + arguments, folder: try TestFolder.make("import"),
            environment: environment)
        try process.start()
        return process
    }

    /// Runs `body` with a node on the embedded store.
    func node(_ body: (ApusProcess) async throws -> Void) async throws {
        let own = try TestFolder.make("node")
        defer { try? FileManager.default.removeItem(at: own) }
        let node = try ApusProcess("gw-import", environment: environment, folder: own)
        defer { node.server.stop() }
        try await node.start()
        try await body(node)
        // Not killed: the next importer needs the folder.
        node.server.signal(SIGTERM)
        #expect(await node.server.waitForExit() == 0)
    }

    // MARK: Comparing

    /// Looks through the eyes of every user.
    ///
    /// - Parameter isUndisturbed: Nobody else advanced members, so each conversation stands in its place of their lists,
    ///   and once in their timelines.
    func compare(_ table: WhisperTable, on node: ApusProcess, isUndisturbed: Bool = true) async throws {
        let key = try await TestKey.hs256(ApusProcess.secret)
        let conversations = table.conversations
        for user in table.users {
            let client = try await ScriptedClient.connect(port: node.port)
            let device = Device(client, try await client.hello(token: try key.token(user: "\(user)")))
            defer { client.drop() }
            let own = conversations.filter { $0.value.contains { $0.sender == user || $0.receiver == user } }
            let total = own.values.reduce(0) { $0 + WhisperTable.unread(user, $1) }
            #expect(device.welcome["unread"]?.object?["messages"]?.integer == Int64(total), "all unread of \(user)")
            try await compareTimeline(device, own, isUndisturbed, user)
            try await compareList(device, own, isUndisturbed, user)
            for (id, rows) in own { try await compareHistory(device, id, rows, user) }
        }
    }

    private func compareTimeline(
        _ device: Device, _ own: [String: [WhisperTable.Row]], _ isUndisturbed: Bool, _ user: Int
    ) async throws {
        let reply = try await device.request(#""op":"sync","after":0"#)
        let events = reply["ok"]?.object?["events"]?.array?.compactMap(\.object) ?? []
        #expect(Set(events.compactMap { $0["ev"]?.string }) == ["conversation.reset"], "\(user) got something old")
        let counts = Dictionary(grouping: events) { $0["conv"]?.string ?? "" }.mapValues(\.count)
        #expect(Set(counts.keys) == Set(own.keys), "\(user) was told of each conversation")
        if isUndisturbed { #expect(counts.values.allSatisfy { $0 == 1 }, "\(user) was told more than once") }
    }

    private func compareList(
        _ device: Device, _ own: [String: [WhisperTable.Row]], _ isUndisturbed: Bool, _ user: Int
    ) async throws {
        let reply = try await device.request(#""op":"conversations","limit":200"#)
        let list = reply["ok"]?.object?["conversations"]?.array?.compactMap(\.object) ?? []
        let order = own.sorted { ($0.value.last?.at ?? 0) > ($1.value.last?.at ?? 0) }.map(\.key)
        let found = list.compactMap { $0["conv"]?.string }
        #expect(found.sorted() == order.sorted(), "the list of \(user) is whole")
        if isUndisturbed { #expect(found == order, "the list of \(user) has the newest first") }
        for item in list {
            let id = item["conv"]?.string ?? ""
            let rows = own[id] ?? []
            #expect(item["unread"]?.integer == Int64(WhisperTable.unread(user, rows)), "unread of \(user) in \(id)")
            #expect(item["read_n"]?.integer == Int64(WhisperTable.readN(user, rows)), "cursor of \(user) in \(id)")
            let other = rows.first.map { $0.sender == user ? $0.receiver : $0.sender } ?? 0
            let progress = item["others"]?.array?.first?.object
            #expect(
                progress?["read_n"]?.integer == Int64(WhisperTable.readN(other, rows)), "cursor of \(other) in \(id)")
            #expect(item["last"]?.object?["n"]?.integer == Int64(rows.count), "the last of \(id)")
        }
    }

    private func compareHistory(
        _ device: Device, _ id: String, _ rows: [WhisperTable.Row], _ user: Int
    ) async throws {
        var messages: [JSONObject] = []
        while messages.count <= rows.count {
            let after = messages.last?["n"]?.integer ?? 0
            let reply = try await device.request(#""op":"history","conv":"\#(id)","after":\#(after),"limit":200"#)
            let page = try #require(reply["ok"]?.object)
            messages += page["messages"]?.array?.compactMap(\.object) ?? []
            guard page["more"]?.bool == true else { break }
        }
        #expect(messages.map { $0["n"]?.integer } == rows.indices.map { Int64($0 + 1) }, "numbers of \(id)")
        #expect(messages.map { $0["from"]?.string } == rows.map { "\($0.sender)" }, "senders of \(id)")
        #expect(messages.map { $0["body"]?.object?["text"]?.string } == rows.map(\.content), "texts of \(id)")
        #expect(messages.map { $0["ts"]?.integer } == rows.map { Int64($0.at) * 1000 }, "times of \(id)")
        #expect(
            messages.filter { $0["from"]?.string == "\(user)" }.map { $0["cid"]?.string }
                == rows.filter { $0.sender == user }.map { "pp-\($0.id)" })
    }
}
