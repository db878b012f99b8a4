import Bus
import Core
import Notifications
import Presence
import Synchronization
import Wire

/// What backends may ask, over HTTP and over `apus.rpc.*` alike: one place for both (PROTOCOL §3, §4).
/// Answers are JSON bodies; errors are `ApusError`.
struct Backend: Sendable {
    let node: NodeContext
    let publisher: Publisher

    init(node: NodeContext) {
        self.node = node
        publisher = Publisher(node: node)
    }

    // MARK: Presence and unread

    /// `{"states":{"100058":{"state":"online","since":…,"sessions":2}}}`
    func presence(of users: [UserID]) async throws(ApusError) -> [UInt8] {
        let found = try await ask { node.presence.lookup(users, $0) }
        let roster = node.roster
        return JSONWriter.object { writer in
            writer.member(
                "states",
                object: { states in
                    for (user, sessions) in zip(users, found) {
                        let finding = PresenceFinding(sessions, standing: roster.presence)
                        states.member(dynamic: user.text) { $0.object(finding.state.write) }
                    }
                })
        }
    }

    /// The body of a bulk question: `{"users":[…]}`.
    static func users(_ object: JSONObject) throws(ApusError) -> [UserID] {
        guard let names = try object.texts("users", countMax: Limits.presenceUsersMax) else {
            throw .badRequest("users: is missing")
        }
        var users: [UserID] = []
        var seen: Set<UserID> = []
        for (index, name) in names.enumerated() {
            guard let user = UserID(name) else { throw .badRequest("users[\(index)]: is no user id") }
            if seen.insert(user).inserted { users.append(user) }
        }
        return users
    }

    /// `{"user","unread":{…},"by_category":{…}}`
    func unread(of user: UserID) async throws(ApusError) -> [UInt8] {
        let counts = try await ask { node.inbox.counts(of: user, nowMilliseconds: node.time.wallMilliseconds(), $0) }
        return JSONWriter.object {
            $0.member("user", user.text)
            $0.member(unread: counts.unread)
            $0.member(byCategory: counts.byCategory)
        }
    }

    /// The timeline by pull; answers as `sync`, and as much at a time.
    func timeline(of user: UserID, after: Int64, limit: Int) async throws(ApusError) -> [UInt8] {
        var page = try await ask { node.timelines.read(user, after: after, last: nil, epoch: nil, limit: limit, $0) }
        page.entries = Shard.firstPart(of: page.entries)
        return ServerFrames.page(
            epoch: page.head.epoch, events: page.entries.map(\.frame), head: page.head.seq, more: page.more,
            resync: page.resync)
    }

    // MARK: Orders

    /// Closes every session of a user on every reachable node (G12). `{"user","sessions":2}`: those in the directory.
    func disconnect(_ user: UserID, code: Int64?, reason: String?) async throws(ApusError) -> [UInt8] {
        let code = code ?? Int64(CloseCode.sessionRevoked.rawValue)
        guard (4400...4599).contains(code) else { throw .badRequest("code: must be from 4400 to 4599") }
        guard reason.map({ $0.utf8.count <= 123 }) ?? true else { throw .badRequest("reason: at most 123 bytes") }
        let text = reason ?? CloseCode(rawValue: UInt16(code))?.reason ?? ""
        let order = Delivery.disconnect(user: user, session: nil, code: UInt16(code), reason: text)
        // The directory is asked for the figure only, and before the sessions leave it. The order goes to all nodes,
        // whatever it says, and does not wait for a store that is away.
        let giving = Once { [router = node.router] in router.broadcast([order]) }
        node.hub.shards.first?.loop.scheduleTask(in: .milliseconds(250)) { giving.run() }
        let known = try? await answer { node.presence.lookup([user], $0) }
        giving.run()
        let alive = node.roster.alive
        let count = known?.first?.sessions.count { alive.contains($0.holder) } ?? 0
        return JSONWriter.object {
            $0.member("user", user.text)
            $0.member("sessions", count)
        }
    }

    /// `{"nodes":[{"node","incarnation","since","sessions","draining","version","roles"}]}`
    func nodes() -> [UInt8] {
        JSONWriter.object { writer in
            writer.member(
                "nodes",
                array: { list in
                    for record in node.roster.nodes.sorted(by: { $0.incarnation.text < $1.incarnation.text }) {
                        list.object(record.write)
                    }
                })
        }
    }

    private func ask<Value: Sendable>(_ call: (@escaping Completion<Value>) -> Void) async throws(ApusError) -> Value {
        do { return try await answer(call) } catch let error as StoreError { throw error.forClient } catch {
            throw .unavailable("the store is not available")
        }
    }
}

extension PresenceState {
    func write(_ writer: inout JSONWriter) {
        switch self {
        case .online(let since, let sessions):
            writer.member("state", "online")
            writer.member("since", since)
            writer.member("sessions", sessions)
        case .offline(let lastSeen):
            writer.member("state", "offline")
            if let lastSeen { writer.member("last_seen", lastSeen) }
        }
    }
}

extension NodeRecord {
    func write(_ writer: inout JSONWriter) {
        writer.member("node", incarnation.node)
        writer.member("incarnation", incarnation.text)
        writer.member("since", sinceMilliseconds)
        writer.member("sessions", sessions)
        writer.member("draining", draining)
        writer.member("version", version)
        writer.member("roles", array: { list in roles.forEach { list.element(text: $0) } })
    }
}

/// Something that is to be done once, by whoever comes first.
private final class Once: Sendable {
    private let isDone = Atomic(false)
    private let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    func run() { if !isDone.exchange(true, ordering: .acquiringAndReleasing) { body() } }
}
