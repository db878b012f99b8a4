import Core
import Presence
import Wire

/// Which sessions of a shard watch whom. Apart from the sessions: one that watches nobody must not be larger for it.
struct ShardWatches {
    private var bySlot: [Int32: Set<UserID>] = [:]
    private var byUser: [UserID: Set<Int32>] = [:]

    func users(of slot: Int32) -> Set<UserID> { bySlot[slot] ?? [] }
    func slots(of user: UserID) -> Set<Int32> { byUser[user] ?? [] }

    /// - Returns: Those whom no session here has watched until now.
    mutating func add(_ users: some Sequence<UserID>, _ slot: Int32) -> [UserID] {
        users.filter { user in
            guard bySlot[slot, default: []].insert(user).inserted else { return false }
            byUser[user, default: []].insert(slot)
            return byUser[user]?.count == 1
        }
    }

    /// - Returns: Those whom no session here watches any more.
    mutating func remove(_ users: some Sequence<UserID>, _ slot: Int32) -> [UserID] {
        users.filter { user in
            guard bySlot[slot]?.remove(user) != nil else { return false }
            if bySlot[slot]?.isEmpty == true { bySlot[slot] = nil }
            byUser[user]?.remove(slot)
            guard byUser[user]?.isEmpty == true else { return false }
            byUser[user] = nil
            return true
        }
    }

    mutating func removeAll(_ slot: Int32) -> [UserID] { bySlot[slot].map { remove($0, slot) } ?? [] }
}

/// `presence.watch` and `presence.unwatch` (PROTOCOL §2.3), and the events they bring.
extension Shard {
    func watchPresence(_ users: [UserID], _ viewer: UserID, _ id: [UInt8]?, _ slot: Int32) {
        let before = watches.users(of: slot)
        let fresh = Set(users).subtracting(before)
        guard before.count + fresh.count <= Limits.presenceWatchesMax else {
            let most = "users: at most \(Limits.presenceWatchesMax) are watched by one session; it watches"
            return refuse(id, ApusError(.tooLarge, "\(most) \(before.count)"), slot)
        }
        let adding = watches.add(fresh, slot)
        let (center, key) = (node.presenceCenter, key(slot))
        // A page of states is large: nothing is read behind it until it is on its way.
        ask(
            slot, id, isLarge: true,
            { done in
                center.watch(users, adding: adding, viewer: viewer) { result in
                    // An error means that nothing is watched. First of all, so that it is over when the client hears of it.
                    if case .failure = result { self.resume(key) { shard, slot in shard.unwatch(fresh, slot) } }
                    done(result)
                }
            }
        ) { shard, slot, states in shard.ok(id, Self.states(states), slot) }
    }

    func unwatchPresence(_ users: [UserID], _ id: [UInt8]?, _ slot: Int32) {
        unwatch(users, slot)
        ok(id, Self.states([]), slot)
    }

    private func unwatch(_ users: some Sequence<UserID>, _ slot: Int32) {
        node.presenceCenter.unwatch(watches.remove(users, slot))
    }

    /// The session goes.
    func unwatchAll(_ slot: Int32) { node.presenceCenter.unwatch(watches.removeAll(slot)) }

    /// Tells the sessions that watch a user.
    func notice(_ notices: [PresenceNotice]) {
        onLoop { shard in
            for notice in notices {
                for slot in shard.watches.slots(of: notice.user) where shard.isMeant(slot, notice.audience) {
                    shard.live(notice.frame, slot)
                }
            }
        }
    }

    private func isMeant(_ slot: Int32, _ audience: PresenceWatch.Telling.Audience) -> Bool {
        guard sessions.isUsed(slot), let viewer = sessions[slot].user else { return false }
        return switch audience {
        case .everybody(let except): !except.contains(viewer)
        case .one(let user): viewer == user
        }
    }

    /// `{"states":{"100058":{"state":"online","since":…}}}`
    private static func states(_ states: [(user: UserID, state: PresenceState)]) -> [UInt8] {
        JSONWriter.object {
            $0.member(
                "states",
                object: { writer in
                    for (user, state) in states { writer.member(dynamic: user.text) { $0.object(state.writeForUsers) } }
                })
        }
    }
}

extension PresenceState {
    /// What users are told: how many sessions there are is the user's own business.
    fileprivate func writeForUsers(_ writer: inout JSONWriter) {
        switch self {
        case .online(let since, _):
            writer.member("state", "online")
            writer.member("since", since)
        case .offline: write(&writer)
        }
    }
}
