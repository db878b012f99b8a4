import Chat
import Core
import Notifications
import Synchronization
import Testing
import Timelines

// Random operations of several users in several conversations, on a store and on a model; nodes die, answers are lost,
// steps are repeated and come late. They must agree at every step.

extension ChatModelContract {
    static let walking: [ContractCase<ChatStoresUnderTest>] = [
        ConversationStoreContract.claimCase("After random operations and faults the store agrees with a simple model") {
            stores, hour in
            let seed = SeededGenerator.seed()
            var walk = ChatWalk(stores: stores, seed: seed, hour: hour)
            do {
                for step in 0..<400 {
                    try await walk.step()
                    if step % 25 == 24 { try await walk.compareAll() }
                    if step % 100 == 99 { try await walk.settle() }
                }
            } catch {
                throw TestFailure("seed \(seed), after \(walk.trail.suffix(6).joined(separator: "; ")): \(error)")
            }
        }
    ]
}

/// Faults by a seed, for a driver that asks from one task.
final class WalkFaults: Sendable {
    private let state: Mutex<(random: SeededGenerator, percent: Int)>

    init(seed: UInt64) { state = Mutex((SeededGenerator(seed: seed), 0)) }

    func set(percent: Int) { state.withLock { $0.percent = percent } }

    func next() -> FanOutDriver.Fault {
        state.withLock { state in
            guard Int.random(in: 0..<100, using: &state.random) < state.percent else { return .none }
            return FanOutDriver.Fault.allCases.randomElement(using: &state.random) ?? .none
        }
    }
}

struct ChatWalk {
    let stores: ChatStoresUnderTest
    let driver: FanOutDriver
    let faults: WalkFaults
    let users: [UserID]
    var trail: [String] = []
    var random: SeededGenerator
    var now: Int64
    var groups: [(create: ConversationChange, by: UserID, id: ConversationID)] = []
    var models: [ConversationID: ReferenceConversation] = [:]
    var record = ChatRecord()
    var auditors: [UserID: TimelineAuditor] = [:]
    var commits: [Commit] = []
    var sent: [(change: ConversationChange, to: ConversationID, by: UserID)] = []

    init(stores: ChatStoresUnderTest, seed: UInt64, hour: Int64) {
        self.stores = stores
        let faults = WalkFaults(seed: seed ^ 0xFA)
        self.faults = faults
        driver = FanOutDriver(
            conversations: stores.conversations, memberships: stores.memberships, pageLimit: 5
        ) { _, _ in faults.next() }
        users = (0..<4).map { Sample.user("w\($0)") }
        random = SeededGenerator(seed: seed)
        now = hour
        for user in users { auditors[user] = TimelineAuditor(user) }
    }

    // MARK: Choices

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    private mutating func pick<Element>(_ list: [Element]) -> Element? { list.randomElement(using: &random) }

    private mutating func pickNumber(_ range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &random) }

    private mutating func token() -> String { String(random.next(), radix: 36) }

    private mutating func body() -> [UInt8] { ChatSample.body(token()) }

    private mutating func cid() throws -> ClientMessageID { try #require(ClientMessageID(token())) }

    private mutating func eventID() -> EventID { Sample.eventID("e-\(token())") }

    /// Somebody and a conversation of theirs; half of the time a group.
    private mutating func somewhere() -> (UserID, ConversationID)? {
        guard let user = pick(users) else { return nil }
        let groups = groups.map(\.id).filter { models[$0]?.stay(of: user) != nil }
        if chance(50), let group = pick(groups) { return (user, group) }
        guard let other = pick(users.filter { $0 != user }) else { return nil }
        return (user, ChatSample.direct(user, other))
    }

    private func model(_ conversation: ConversationID) -> ReferenceConversation {
        models[conversation] ?? ReferenceConversation(id: conversation, limits: stores.limits)
    }

    // MARK: Steps

    mutating func step() async throws {
        now += pickNumber(0...1500)
        // Small streams of a new walk have nothing to edit or to read yet: those steps come to nothing.
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<30: try await send()
        case 30..<36: try await repeatSend()
        case 36..<56: try await changeMessage()
        case 56..<68: try await read()
        case 68..<72: try await mute()
        case 72..<76: try await block()
        case 76..<86: try await changeGroup()
        case 86..<89: try await notify()
        case 89..<95: try await bringAgain()
        case 95..<97: try await checkStranger()
        default: try await sweep()
        }
    }

    private mutating func send() async throws {
        guard let (user, conversation) = somewhere() else { return }
        let change = ConversationChange.send(cid: try cid(), body: body())
        if case .appended = try await commit(change, conversation, user) { sent.append((change, conversation, user)) }
    }

    private mutating func repeatSend() async throws {
        guard let (change, conversation, user) = pick(sent), case .send(let cid, _) = change,
            model(conversation).blocking.isEmpty, model(conversation).stay(of: user) != nil
        else { return }
        if chance(20) {
            let other = ConversationChange.send(cid: cid, body: body())
            guard case .refused(let error) = try await commit(other, conversation, user), error.code == .conflict
            else { throw TestFailure("another body with the same cid is no conflict") }
        } else {
            _ = try await commit(change, conversation, user)
        }
    }

    private mutating func changeMessage() async throws {
        guard let (user, conversation) = somewhere() else { return }
        let messages = model(conversation).messages
        guard let stay = model(conversation).stay(of: user), stay.joinedMessages < Int64(messages.count) else { return }
        let visible = messages[Int(stay.joinedMessages)...]
        let own = visible.filter { $0.sender == user }
        guard let message = pick(chance(80) && !own.isEmpty ? Array(own) : Array(visible)) else { return }
        let change: ConversationChange =
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<8: .edit(n: message.n, body: body())
            case 8..<11: .recall(n: message.n)
            default: .react(n: message.n, key: ["👍", "a", "b"].randomElement(using: &random) ?? "", on: chance(70))
            }
        _ = try await commit(change, conversation, user)
    }

    private mutating func read() async throws {
        guard let (user, conversation) = somewhere() else { return }
        let model = model(conversation)
        guard let stay = model.stay(of: user), model.blocking.isEmpty else { return }
        let n = pickNumber(stay.joinedMessages...model.messageCount)
        let force = chance(25)
        let outcome = try await commit(.read(n: n, force: force), conversation, user)
        guard case .cursor(let n, let own) = outcome else { return }
        try await moveCursor(user, conversation, n, own, force)
    }

    /// The author's own side is told, as a node does after `cursor`; now and then twice.
    private mutating func moveCursor(
        _ user: UserID, _ conversation: ConversationID, _ n: Int64, _ own: Int64, _ force: Bool
    ) async throws {
        try await observe(user)
        guard let seat = auditors[user]?.seat(conversation), seat.isListed else { return }
        let id = eventID()
        let step = FanOutDriver.aside(of: user, n: n, own: own, force: force, id: id, nowMilliseconds: now)
        auditors[user]?.expect(.cursor(conversation, step.entries[0], force: force), id: id.text, nowMilliseconds: now)
        for _ in 0...(chance(30) ? 1 : 0) {
            guard case .advanced = try await stores.advance(user, in: conversation, by: step, at: now) else {
                throw TestFailure("a cursor aside of the log did not fit")
            }
        }
        try await observe(user)
        try #require(auditors[user]?.seat(conversation).readN == (force ? n : max(n, seat.readN)))
    }

    private mutating func mute() async throws {
        guard let user = pick(users), let other = pick(users.filter { $0 != user }) else { return }
        try await observe(user)
        let conversation = ChatSample.direct(user, other)
        let (id, on) = (eventID(), chance(60))
        let seat = auditors[user]?.seat(conversation) ?? TimelineAuditor.Seat()
        if seat.isListed, seat.isMuted != on {
            auditors[user]?.expect(.mute(conversation, on: on), id: id.text, nowMilliseconds: now)
        }
        let outcome = try await stores.apply(.mute(conversation, on: on), of: user, id: id, at: now)
        try #require((outcome == nil) == !seat.isListed)
        try #require((outcome?.entry != nil) == (seat.isListed && seat.isMuted != on))
        try await observe(user)
    }

    private mutating func block() async throws {
        guard let user = pick(users), let other = pick(users.filter { $0 != user }) else { return }
        let on = chance(40)
        try await observe(user)
        let (id, changes) = (eventID(), auditors[user]?.blocks.contains(other) != on)
        if changes { auditors[user]?.expect(.block(other, on: on), id: id.text, nowMilliseconds: now) }
        let outcome = try #require(await stores.apply(.block(other, on: on), of: user, id: id, at: now))
        try #require((outcome.entry != nil) == changes)
        _ = try await commit(.block(on: on), ChatSample.direct(user, other), user)
    }

    private mutating func changeGroup() async throws {
        if groups.count < 3 || chance(10) {
            guard let user = pick(users) else { return }
            if chance(40), let (create, author, id) = pick(groups), model(id).stay(of: author) != nil {
                _ = try await commit(create, id, author)
                return
            }
            let id = ConversationID.group(madeBy: user, cid: try cid())
            let create = ConversationChange.create(
                title: chance(50) ? token() : nil, members: users.filter { _ in chance(60) })
            groups.append((create, user, id))
            _ = try await commit(create, id, user)
            return
        }
        guard let (_, _, id) = pick(groups), let user = pick(model(id).members.map(\.user)) else { return }
        let members = model(id).members.map(\.user)
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<2: _ = try await commit(.update(title: token()), id, user)
        case 2..<6:
            let new = users.filter { !members.contains($0) }
            if !new.isEmpty { _ = try await commit(.add(new.filter { _ in chance(70) } + new.prefix(1)), id, user) }
        case 6..<9:
            let chosen = members.filter { $0 != model(id).owner && chance(60) }
            if !chosen.isEmpty { _ = try await commit(.remove(chosen), id, user) }
        default: if members.count > 1 { _ = try await commit(.leave, id, user) }
        }
    }

    private mutating func notify() async throws {
        guard let user = pick(users) else { return }
        let notification = Sample.notification(id: eventID(), at: now)
        auditors[user]?.expect(.notification(notification), id: notification.id.text, nowMilliseconds: now)
        let now = now
        _ = try await answer { stores.inbox.append(notification, to: user, nowMilliseconds: now, $0) }
    }

    /// A node that was stopped goes on with what it knew.
    private mutating func bringAgain() async throws {
        guard let commit = pick(commits), let member = pick(commit.members) else { return }
        trail.append("late \(commit.entry.position.number) of \(commit.ticket.conversation) to \(member)")
        try await driver.bring(commit, to: member, nowMilliseconds: now)
        try await observe(member)
    }

    private mutating func checkStranger() async throws {
        guard let (_, _, id) = pick(groups), let user = pick(users.filter { model(id).stay(of: $0) == nil }),
            !model(id).entries.isEmpty
        else { return }
        let change = ConversationChange.send(cid: try cid(), body: body())
        guard case .refused(let error) = try await commit(change, id, user), error.code == .notFound else {
            throw TestFailure("a stranger was not answered not_found")
        }
        try #require(try await stores.history(of: id, for: user) == nil)
    }

    // MARK: One commit, on both sides

    private mutating func commit(
        _ change: ConversationChange, _ conversation: ConversationID, _ author: UserID
    ) async throws -> CommitOutcome {
        let id = eventID()
        trail.append("\(author) in \(conversation): \(change.told)")
        let outcome = try await stores.commit(change, to: conversation, by: author, id: id, at: now)
        var model = model(conversation)
        let expected = model.commit(
            change, by: author, id: id, nowMilliseconds: now,
            ticket: FanOutTicket(conversation: conversation, mark: ""))
        if case .refused = expected {} else { models[conversation] = model }
        guard Self.agree(outcome, expected, change, gone: Set(model.gone.keys)) else {
            throw TestFailure("the store says \(outcome), the model \(expected)")
        }
        switch outcome {
        case .appended(let commit):
            record.add(commit.entry, in: conversation)
            try await bring(commit)
        case .duplicate(let commit): try await driver.catchUp(commit.ticket, nowMilliseconds: now)
        case .noted, .cursor, .refused: break
        }
        return outcome
    }

    /// The node lives and brings it to all, or dies on the way, or before it begins.
    private mutating func bring(_ commit: Commit) async throws {
        commits.append(commit)
        faults.set(percent: chance(70) ? 0 : 30)
        defer { faults.set(percent: 0) }
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<7: try await driver.bring(commit, nowMilliseconds: now)
        case 7, 8:
            for member in commit.members.shuffled(using: &random).dropLast() {
                try await driver.bring(commit, to: member, nowMilliseconds: now)
            }
        default: break
        }
    }

    private static func agree(
        _ outcome: CommitOutcome, _ expected: CommitOutcome, _ change: ConversationChange, gone: Set<UserID>
    ) -> Bool {
        switch (outcome, expected) {
        case (.appended(let one), .appended(let other)), (.duplicate(let one), .duplicate(let other)):
            normal(one.entry) == normal(other.entry) && one.previous == other.previous
                && Set(one.members).union(gone) == Set(other.members).union(gone)
                && Set(one.members).isSuperset(of: other.members) && one.isFannedOut == other.isFannedOut
                && one.isLarge == other.isLarge
        case (.noted(let one), .noted(let other)):
            one.changed == other.changed && one.deliveredN == other.deliveredN
                && (one.members.sorted() == other.members.sorted() || change.isBlock)
        case (.cursor(let one, _), .cursor(let other, _)): one == other
        // A cursor that would go back: either answer is one.
        case (.noted(let one), .cursor): !one.changed
        case (.refused, .refused): true
        default: false
        }
    }

    /// Without what is the store's: the order in which a change of a group names its users, and from where it counts the
    /// own messages of one who came back.
    private static func normal(_ entry: LogEntry) -> LogEntry {
        var entry = entry
        switch entry.content {
        case .group(var change):
            change.users.sort()
            entry.content = .group(change)
        case .read(let n, _): entry.content = .read(n: n, own: 0)
        default: break
        }
        return entry
    }
}

extension ConversationChange {
    /// For a person to read.
    fileprivate var told: String {
        switch self {
        case .send(let cid, let body): "send \(cid) \(body.text)"
        case .edit(let n, let body): "edit \(n) \(body.text)"
        default: "\(self)"
        }
    }

    /// Who may know of a block before the first message is left open.
    fileprivate var isBlock: Bool {
        if case .block = self { return true }
        return false
    }
}
