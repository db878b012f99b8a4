import Core
import Notifications
import Presence
import Testing

/// The promises of `PresenceStore`, and of the routes that appends answer with.
public enum PresenceStoreContract {
    public static let cases: [ContractCase<StoresUnderTest>] = directory + hiding + routes + leases
}

// MARK: The directory

extension PresenceStoreContract {
    private static let directory: [ContractCase<StoresUnderTest>] = [
        ContractCase("A registered session is found with all that was said of it") { stores in
            let (user, node) = (Sample.user(), Sample.incarnation())
            let plain = Sample.session(on: node)
            let named = Sample.session(on: node, since: Sample.now + 1, device: "web-3f2a.X_")
            let dropped = try await stores.register(plain, of: user) + stores.register(named, of: user)
            #expect(dropped.isEmpty)
            #expect(Set(try await stores.lookup(user).sessions) == [plain, named])
        },
        ContractCase("Users come in the order of the question, the unknown ones empty") { stores in
            let users = (0..<50).map { _ in Sample.user() }
            let node = Sample.incarnation()
            for (index, user) in users.enumerated() where index % 2 == 0 {
                _ = try await stores.register(Sample.session(on: node), of: user)
            }
            let found = try await stores.lookup(users)
            #expect(found.map(\.sessions.count) == users.indices.map { 1 - $0 % 2 })
            #expect(found.allSatisfy { $0.lastSeenMilliseconds == nil })
            #expect(try await stores.lookup([]).isEmpty)
        },
        ContractCase("Registering the same session again changes nothing") { stores in
            let (user, node) = (Sample.user(), Sample.incarnation())
            let records = [Sample.session(on: node), Sample.session(on: node, since: Sample.now + 5)]
            for record in records + records {
                let dropped = try await stores.register(record, of: user, limit: 2)
                #expect(dropped.isEmpty)
            }
            #expect(Set(try await stores.lookup(user).sessions) == Set(records))
        },
        ContractCase("Sessions registered at the same time are all there") { stores in
            let (user, node) = (Sample.user(), Sample.incarnation())
            let records = (0..<20).map { Sample.session(on: node, since: Sample.now + Int64($0)) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for record in records { group.addTask { _ = try await stores.register(record, of: user) } }
                try await group.waitForAll()
            }
            #expect(Set(try await stores.lookup(user).sessions) == Set(records))
        },
        ContractCase("Removing the last session sets last seen; unknown sessions are passed over") { stores in
            let (user, node) = (Sample.user(), Sample.incarnation())
            let (a, b) = (Sample.session(on: node), Sample.session(on: node))
            _ = try await stores.register(a, of: user)
            _ = try await stores.register(b, of: user)
            try await stores.remove([a.session, .new()], of: user, at: Sample.now + 10)
            var found = try await stores.lookup(user)
            #expect(found.sessions == [b] && found.lastSeenMilliseconds == nil)
            try await stores.remove([.new(), b.session], of: user, at: Sample.now + 20)
            found = try await stores.lookup(user)
            #expect(found.sessions.isEmpty && found.lastSeenMilliseconds == Sample.now + 20)
            #expect(PresenceState(found, alive: [node]) == .offline(lastSeenMilliseconds: Sample.now + 20))
        },
        ContractCase("Sessions stay with the incarnation that registered them, whether its node lives or not") {
            stores in
            let user = Sample.user()
            let (before, after) = (Sample.incarnation("gw-1"), Sample.incarnation("gw-1"))
            _ = try await stores.register(Sample.session(on: before), of: user)
            _ = try await stores.register(Sample.session(on: after), of: user)
            #expect(Set(try await stores.lookup(user).sessions.map(\.holder)) == [before, after])
        },
        ContractCase("Past the limit the oldest others are dropped and told, never the new one") { stores in
            let (user, node) = (Sample.user(), Sample.incarnation())
            let records = (0..<4).map { Sample.session(on: node, since: Sample.now + Int64($0)) }
            for index in [2, 0, 3, 1] { _ = try await stores.register(records[index], of: user) }
            let oldest = Sample.session(on: node, since: Sample.now - 1000)
            let dropped = try await stores.register(oldest, of: user, limit: 3)
            #expect(Set(dropped) == [records[0], records[1]])
            #expect(Set(try await stores.lookup(user).sessions) == [records[2], records[3], oldest])
        },
        ContractCase("Users whose ids look like parts of each other have their own sessions") { stores in
            let token = RandomToken.make(length: 10)
            let users = try [token, "\(token):b", "\(token):b@c", "\(token)@c"].map { try #require(UserID($0)) }
            let node = Sample.incarnation()
            let records = users.map { _ in Sample.session(on: node) }
            for (user, record) in zip(users, records) { _ = try await stores.register(record, of: user) }
            try await stores.remove([records[1].session], of: users[0])
            #expect(try await stores.lookup(users).map(\.sessions) == records.map { [$0] })
        },
    ]
}

// MARK: Routes

extension PresenceStoreContract {
    private static let routes: [ContractCase<StoresUnderTest>] = [
        ContractCase("An append answers with the sessions of that moment, duplicates too, the dead ones too") {
            stores in
            let (user, node, other) = (Sample.user(), Sample.incarnation(), Sample.incarnation("other"))
            let notification = Sample.notification()
            #expect(try await stores.append(notification, to: user).routes.isEmpty)
            let (a, b) = (Sample.session(on: node, device: "phone"), Sample.session(on: other))
            _ = try await stores.register(a, of: user)
            _ = try await stores.register(b, of: user)
            let duplicate = try await stores.append(notification, to: user)
            #expect(duplicate.duplicate)
            #expect(Set(duplicate.routes) == [route(a), route(b)])
            try await stores.remove([b.session], of: user)
            #expect(try await stores.append(Sample.notification(), to: user).routes == [route(a)])
            try await stores.remove([a.session], of: user)
            #expect(try await stores.append(Sample.notification(), to: user).routes.isEmpty)
        },
        ContractCase("Marking as read answers with the sessions of that moment") { stores in
            let (user, node) = (Sample.user(), Sample.incarnation())
            let record = Sample.session(on: node)
            _ = try await stores.register(record, of: user)
            try await stores.append(count: 1, to: user)
            #expect(try await stores.markRead(.all, of: user).routes == [route(record)])
        },
        ContractCase("Expiring answers with the sessions of that moment") { stores in
            try await StoresUnderTest.expiryTurns.alone {
                let (user, node) = (Sample.user(), Sample.incarnation())
                let record = Sample.session(on: node)
                _ = try await stores.register(record, of: user)
                try await stores.append(Sample.notification(ttlMilliseconds: 1000), to: user)
                let outcomes = try await stores.expireAll(of: user, at: Sample.now + 1000)
                #expect(outcomes.flatMap(\.routes) == [route(record)])
            }
        },
    ]

    private static func route(_ record: SessionRecord) -> SessionRoute {
        SessionRoute(session: record.session.text, holder: record.holder)
    }
}

// MARK: Leases

extension PresenceStoreContract {
    private static let leases: [ContractCase<StoresUnderTest>] = [
        ContractCase("A node that renews is alive, with what it last told of itself") { stores in
            var (a, b) = (node("a"), node("b"))
            #expect(try await renew(a, stores).wasLost, "its first lease was not there before")
            #expect(try await renew(b, stores).wasLost)
            a.sessions = 12
            a.draining = true
            let renewal = try await renew(a, stores)
            #expect(!renewal.wasLost)
            #expect(renewal.alive.contains(a) && renewal.alive.contains(b))
            b.roles = []
            #expect(try await renew(b, stores).alive.contains(b))
        },
        ContractCase("A lease that is dropped is gone at once") { stores in
            let (a, b) = (node("a"), node("b"))
            _ = try await renew(a, stores)
            _ = try await renew(b, stores)
            try await answer { stores.presence.dropLease(a.incarnation, $0) }
            #expect(try await !renew(b, stores).alive.contains { $0.incarnation == a.incarnation })
            #expect(try await renew(a, stores).wasLost)
            try await answer { stores.presence.dropLease(Sample.incarnation("never"), $0) }
        },
        ContractCase("A lease that ran out is gone, and its node is told so when it comes back") { stores in
            let (a, b) = (node("a"), node("b"))
            _ = try await renew(a, stores, seconds: 1)
            _ = try await renew(b, stores)
            try await eventually("the lease runs out") {
                try await !renew(b, stores).alive.contains { $0.incarnation == a.incarnation }
            }
            let back = try await renew(a, stores)
            #expect(back.wasLost && back.alive.contains(a))
            #expect(try await !renew(a, stores).wasLost)
        },
    ]

    private static func node(_ name: String) -> NodeRecord {
        NodeRecord(
            incarnation: Sample.incarnation(name), sinceMilliseconds: Sample.now, sessions: 3, draining: false,
            version: "1.2.3", roles: ["gateway", "notifier"])
    }

    private static func renew(
        _ node: NodeRecord, _ stores: StoresUnderTest, seconds: Int = 30
    ) async throws -> LeaseRenewal {
        try await answer { stores.presence.renewLease(node, seconds: seconds, $0) }
    }
}
