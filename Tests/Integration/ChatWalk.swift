import ApusTesting
import Core
import Foundation
import Testing
import Wire

/// Random operations of several users on several devices and nodes, and the same on a model; they must agree.
///
/// A user acts on one device and listens on another one, which is cut and resumes now and then. What the listener gets
/// must be every event once and in order, and every message of the conversation once.
final class ChatWalk {
    /// Where it walks.
    struct Site {
        var ports: [Int]
        var token: (String) throws -> String
        /// Makes the store forget what it got since `body` began, in one conversation; nil where that cannot be played.
        var forget: ((_ conversation: String, _ body: () async throws -> Void) async throws -> Void)?
    }

    /// A user with the device that acts and the one that listens.
    private struct Person {
        var actor: ScriptedClient
        /// Sends without waiting for answers; a session of its own, so that it is far from the limit of operations.
        var burster: ScriptedClient
        var listener: Device
        /// What earlier connections of the listener got.
        var heard: [JSONObject] = []
        var events: [JSONObject] { heard + listener.events.filter { $0["seq"] != nil } }
    }

    private let site: Site
    private let seed: UInt64
    private var random: SeededGenerator
    private var model = ChatModel()
    private var people: [String: Person] = [:]
    private let users: [String]
    private var group = ""
    private var resets: [String: Int] = [:]
    private var step = 0
    /// The newest burst is in the log, but perhaps not yet with all members.
    private var isBurstUnderWay = false

    init(_ site: Site, seed: UInt64) {
        self.site = site
        self.seed = seed
        random = SeededGenerator(seed: seed)
        let run = RandomToken.make(length: 6)
        users = ["ann", "ben", "cem"].map { "\($0)-\(run)" }
    }

    func run(steps: Int) async throws {
        try await begin()
        for number in 1...steps {
            step = number
            try await takeStep()
            if number % 60 == 0 { try await compare() }
        }
        try await compare()
        for person in people.values {
            person.actor.drop()
            person.burster.drop()
            person.listener.client.drop()
        }
    }

    private var place: String { "seed \(seed), step \(step)" }
    private func pick(_ range: Range<Int>) -> Int { Int.random(in: range, using: &random) }
    private func chance(_ percent: Int) -> Bool { pick(0..<100) < percent }
    private func user() -> String { users[pick(0..<users.count)] }

    private func connect(_ user: String, port: Int, resume: String? = nil) async throws -> Device {
        let client = try await ScriptedClient.connect(port: port)
        return Device(client, try await client.hello(token: try site.token(user), resume: resume))
    }

    private func begin() async throws {
        for (index, user) in users.enumerated() {
            let actor = try await ScriptedClient.connect(port: site.ports[index % site.ports.count])
            _ = try await actor.hello(token: try site.token(user))
            let burster = try await ScriptedClient.connect(port: site.ports[(index + 1) % site.ports.count])
            _ = try await burster.hello(token: try site.token(user))
            let listener = try await connect(user, port: site.ports[(index + 1) % site.ports.count])
            people[user] = Person(actor: actor, burster: burster, listener: listener)
        }
        for (index, one) in users.enumerated() {
            for other in users[(index + 1)...] { model.add("d:\(one):\(other)", members: [one, other]) }
        }
        let others = users.dropFirst().map { "\"\($0)\"" }.joined(separator: ",")
        let made = try await ask(users[0], "group.create", #""title":"all","members":[\#(others)]"#)
        group = try #require(made["ok"]?.object?["conv"]?.string, "\(place)")
        model.add(group, members: users)
    }

    private func ask(_ user: String, _ op: String, _ members: String) async throws -> JSONObject {
        let id = pick(1..<1_000_000)
        let actor = try #require(people[user]).actor
        while true {
            let reply = try await actor.request(#"{"id":\#(id),"op":"\#(op)",\#(members)}"#, id: id, within: 20)
            // The walk is faster than a person may be: it waits as it is told.
            guard let pause = reply["error"]?.object?["retry_ms"]?.integer,
                reply["error"]?.object?["code"]?.string == "rate_limited"
            else { return reply }
            try await Task.sleep(for: .milliseconds(pause))
        }
    }

    // MARK: Steps

    private func takeStep() async throws {
        let user = user()
        let ids = model.conversations.values.filter { $0.members.contains(user) }.map(\.id).sorted()
        let id = ids[pick(0..<ids.count)]
        switch pick(0..<100) {
        case 0..<45: try await send(user, id)
        case 45..<65: try await read(user, id)
        case 65..<75: try await change(user, id)
        case 75..<80: try await mute(user, id)
        case 80..<86: try await block(user)
        case 86..<90: try await cutListener(user)
        case 90..<93: try await burst()
        case 93..<96: if let forget = site.forget { try await fork(user, id, forget) }
        default: try await sendAgain(user, id)
        }
    }

    private func send(_ user: String, _ id: String) async throws {
        let (cid, text) = ("c-\(random.next())", "\(user) \(step) \(random.next())")
        let reply = try await ask(user, "send", Self.message(id, cid, text))
        guard !model.isRefused(user, in: id) else {
            return #expect(reply["error"]?.object?["code"]?.string == "forbidden", "\(place): \(reply)")
        }
        let ok = try #require(reply["ok"]?.object, "\(place): \(reply)")
        try #require(ok["n"]?.integer == Int64(model[id].messages.count + 1), "\(place)")
        model.append(.init(id: ok["id"]?.string ?? "", from: user, text: text, cid: cid), to: id)
    }

    private static func message(_ id: String, _ cid: String, _ text: String) -> String {
        #""conv":"\#(id)","cid":"\#(cid)","body":{"text":"\#(text)"}"#
    }

    /// A client that did not hear the answer says it again.
    private func sendAgain(_ user: String, _ id: String) async throws {
        let own = model[id].messages.enumerated().filter { $0.element.from == user && $0.element.text != nil }
        guard !own.isEmpty, !model.isRefused(user, in: id) else { return }
        let (index, message) = own[pick(0..<own.count)]
        let reply = try await ask(user, "send", Self.message(id, message.cid, message.text ?? ""))
        // An edited message has another body than the one that was sent with this cid.
        if reply["error"]?.object?["code"]?.string == "conflict" { return }
        try #require(reply["ok"]?.object?["dup"]?.bool == true, "\(place): \(reply)")
        try #require(reply["ok"]?.object?["n"]?.integer == Int64(index + 1), "\(place)")
    }

    private func read(_ user: String, _ id: String) async throws {
        let count = model[id].messages.count
        guard count > 0 || id == group else { return }
        let (n, force) = (pick(0..<count + 1), chance(25))
        let reply = try await ask(user, "read", #""conv":"\#(id)","n":\#(n),"force":\#(force)"#)
        let ok = try #require(reply["ok"]?.object, "\(place): \(reply)")
        try #require(ok["n"]?.integer == Int64(model.read(n, force: force, by: user, in: id)), "\(place)")
        let unread = Int64(model.unread(user, in: id))
        if isBurstUnderWay, id == group {
            // A cursor that does not move waits for nobody: the answer is what the user has got so far.
            try await eventually("\(user) has got the burst (\(place))") {
                try await ask(user, "read", #""conv":"\#(id)","n":0"#)["ok"]?.object?["conv_unread"]?.integer == unread
            }
        } else {
            try #require(ok["conv_unread"]?.integer == unread, "\(place): \(id) of \(user)")
        }
    }

    /// Recall, edit or reaction.
    private func change(_ user: String, _ id: String) async throws {
        let messages = model[id].messages
        guard !messages.isEmpty, !model.isRefused(user, in: id) else { return }
        let n = pick(1..<messages.count + 1)
        let message = messages[n - 1]
        switch pick(0..<3) {
        case 0:
            let reply = try await ask(user, "recall", #""conv":"\#(id)","n":\#(n)"#)
            try #require((reply["ok"] != nil) == (message.from == user), "\(place): \(reply)")
            if message.from == user { model.setText(nil, of: n, in: id) }
        case 1:
            let text = "edited \(random.next())"
            let reply = try await ask(user, "edit", #""conv":"\#(id)","n":\#(n),"body":{"text":"\#(text)"}"#)
            let may = message.from == user && message.text != nil
            try #require((reply["ok"] != nil) == may, "\(place): \(reply)")
            if may { model.setText(text, of: n, in: id) }
        default:
            let reply = try await ask(user, "react", #""conv":"\#(id)","n":\#(n),"key":"+1","on":\#(chance(50))"#)
            try #require((reply["ok"] != nil) == (message.text != nil), "\(place): \(reply)")
        }
    }

    private func mute(_ user: String, _ id: String) async throws {
        guard !model[id].messages.isEmpty else { return }
        let on = chance(50)
        try await eventually("\(user) has \(id) in the list (\(place))") {
            try await ask(user, "mute", #""conv":"\#(id)","on":\#(on)"#)["ok"] != nil
        }
        model.mute(id, on, by: user)
    }

    private func block(_ user: String) async throws {
        let other = self.user()
        guard other != user else { return }
        let on = !model.blocks(user, other)
        let reply = try await ask(user, on ? "block" : "unblock", #""user":"\#(other)""#)
        try #require(reply["ok"] != nil, "\(place): \(reply)")
        model.block(other, on, by: user)
    }

    private func cutListener(_ user: String) async throws {
        var person = try #require(people[user])
        let before = person.listener
        before.client.drop()
        try await eventually("the listener is cut") { before.isClosed }
        person.heard = person.events
        let port = site.ports[pick(0..<site.ports.count)]
        person.listener = try await connect(user, port: port, resume: before.position)
        try #require(person.listener.welcome["resumed"]?.bool == true, "\(place): \(person.listener.welcome)")
        people[user] = person
    }

    /// Everybody at once in the group, without waiting: the model takes over the order that came out.
    private func burst() async throws {
        let before = model[group].messages.count
        var sent: [String: [String]] = [:]
        for user in users {
            for index in 0..<5 {
                let cid = "b-\(step)-\(index)"
                sent[user, default: []].append(cid)
                try await people[user]?.burster.send(
                    #"{"op":"send",\#(Self.message(group, cid, "burst \(user) \(cid)"))}"#)
            }
        }
        var messages: [JSONObject] = []
        try await eventually("the burst is in the log (\(place))") {
            let page = try await ask(users[0], "history", #""conv":"\#(group)","after":\#(before),"limit":200"#)
            messages = page["ok"]?.object?["messages"]?.array?.compactMap(\.object) ?? []
            return messages.count == users.count * 5
        }
        for (index, message) in messages.enumerated() {
            try #require(message["n"]?.integer == Int64(before + index + 1), "\(place)")
            let (from, text) = (message["from"]?.string ?? "", message["body"]?.object?["text"]?.string ?? "")
            let cid = text.split(separator: " ").last.map(String.init) ?? ""
            try #require(sent[from]?.first == cid, "\(place): each sender's order is kept")
            sent[from]?.removeFirst()
            model.append(.init(id: message["id"]?.string ?? "", from: from, text: text, cid: cid), to: group)
        }
        isBurstUnderWay = true
    }

    /// The store fails over to a replica that did not get the newest message, and another one takes its number.
    private func fork(
        _ user: String, _ id: String, _ forget: (String, () async throws -> Void) async throws -> Void
    ) async throws {
        guard !model[id].messages.isEmpty, !model.isRefused(user, in: id) else { return }
        try await compare()
        let before = model[id]
        try await forget(id) {
            try await send(user, id)
            try await compare()
        }
        model.restore(before)
        resets[id, default: 0] += 1
        try await send(user, id)
        try await compare()
    }

    // MARK: Comparing

    /// Waits until everybody's own view is the model's, and looks through what the listeners heard.
    private func compare() async throws {
        for user in users {
            try await eventually("\(user) sees what the model says (\(place))", within: 20) {
                try await difference(user) == nil
            }
            let found = try await difference(user)
            try #require(found == nil, "\(place): \(found ?? "")")
            try await compareListener(user)
        }
        isBurstUnderWay = false
    }

    private func difference(_ user: String) async throws -> String? {
        let inbox = try await ask(user, "inbox", #""limit":1"#)
        let total = inbox["ok"]?.object?["unread"]?.object?["messages"]?.integer
        guard total == Int64(model.total(user)) else {
            return "\(user) has \(total ?? -1) unread in all, not \(model.total(user))"
        }
        let list = try await ask(user, "conversations", #""limit":200"#)
        for item in list["ok"]?.object?["conversations"]?.array?.compactMap(\.object) ?? [] {
            let id = item["conv"]?.string ?? ""
            guard item["unread"]?.integer == Int64(model.unread(user, in: id)) else {
                return "unread of \(user) in \(id)"
            }
            guard item["read_n"]?.integer == Int64(model[id].read[user] ?? 0) else {
                return "read_n of \(user) in \(id)"
            }
            guard item["muted"]?.bool == model.isMuted(id, by: user) else { return "muted of \(user) in \(id)" }
            let last = item["last"]?.object?["body"]?.object?["text"]?.string
            guard last == model[id].messages.last?.text else { return "preview of \(id)" }
        }
        return nil
    }

    private func compareListener(_ user: String) async throws {
        let wanted = model.conversations.values.filter { $0.members.contains(user) }
        try await eventually("\(user)'s listener has heard everything (\(place))", within: 20) {
            wanted.allSatisfy { missing(user, $0).isEmpty }
        }
        let events = people[user]?.events ?? []
        let seqs = events.compactMap { $0["seq"]?.integer }
        let first = seqs.first ?? 1
        try #require(
            seqs == Array(first..<first + Int64(seqs.count)), "\(place): \(user)'s events have holes or doubles")
        for conversation in wanted {
            let ids = events.filter { $0["ev"]?.string == "message" && $0["conv"]?.string == conversation.id }
                .compactMap { $0["id"]?.string }
            try #require(Set(ids).count == ids.count, "\(place): a message came twice")
            let known = Set(ids)
            let order = conversation.messages.map(\.id).filter(known.contains)
            let here = Set(conversation.messages.map(\.id))
            try #require(ids.filter(here.contains) == order, "\(place): another order in \(conversation.id)")
        }
    }

    /// Messages that the listener has not got. After a fork it was told to read the conversation afresh instead.
    private func missing(_ user: String, _ conversation: ChatModel.Conversation) -> [String] {
        let events = people[user]?.events ?? []
        let ids = Set(events.filter { $0["ev"]?.string == "message" }.compactMap { $0["id"]?.string })
        let told = events.count { $0["ev"]?.string == "conversation.reset" && $0["conv"]?.string == conversation.id }
        let missing = conversation.messages.map(\.id).filter { !ids.contains($0) }
        return missing.count <= told && told >= (resets[conversation.id] ?? 0) ? [] : missing + ["a reset"]
    }
}
