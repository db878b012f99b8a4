import Chat
import Core
import Presence
import Testing

/// What the directory tells of those who do not want to be seen.
extension PresenceStoreContract {
    static let hiding: [ContractCase<StoresUnderTest>] = [
        ContractCase("An invisible session is found as one, with all that was said of it") { stores in
            let (user, node) = (Sample.user(), Sample.incarnation())
            let plain = hidden(on: node)
            let named = hidden(on: node, since: Sample.now + 1, device: "web-3f2a.X_")
            for record in [plain, named] { _ = try await stores.register(record, of: user) }
            let found = try await stores.lookup(user)
            #expect(Set(found.sessions) == [plain, named])
            #expect(found.sessions.allSatisfy { $0.isInvisible })
            #expect(PresenceState(found, alive: [node]) == .offline(lastSeenMilliseconds: nil))
        },
        ContractCase("Invisible sessions get events as others do, and count against the limit") { stores in
            let (user, node) = (Sample.user(), Sample.incarnation())
            let (old, new) = (hidden(on: node), hidden(on: node, since: Sample.now + 1))
            _ = try await stores.register(old, of: user)
            #expect(try await stores.append(Sample.notification(), to: user).routes.map(\.holder) == [node])
            #expect(try await stores.register(new, of: user, limit: 1) == [old])
        },
        ContractCase("The end of an invisible session leaves last seen as it was") { stores in
            let (user, node) = (Sample.user(), Sample.incarnation())
            let (seen, unseen) = (Sample.session(on: node), hidden(on: node))
            for record in [seen, unseen] { _ = try await stores.register(record, of: user) }
            try await stores.remove([seen.session], of: user, at: Sample.now + 10)
            #expect(
                try await stores.lookup(user).lastSeenMilliseconds == Sample.now + 10, "the last one that was seen")
            try await stores.remove([unseen.session], of: user, at: Sample.now + 20)
            #expect(try await stores.lookup(user).lastSeenMilliseconds == Sample.now + 10)
            let alone = Sample.user()
            _ = try await stores.register(unseen, of: alone)
            try await stores.remove([unseen.session], of: alone, at: Sample.now + 30)
            #expect(try await stores.lookup(alone).lastSeenMilliseconds == nil)
        },
        ContractCase("Last seen does not go back: what a dead node left is taken out with an older time") { stores in
            let (user, node) = (Sample.user(), Sample.incarnation())
            for (end, expected) in [(50, 50), (20, 50), (60, 60)] as [(Int64, Int64)] {
                let record = Sample.session(on: node)
                _ = try await stores.register(record, of: user)
                try await stores.remove([record.session], of: user, at: Sample.now + end)
                #expect(try await stores.lookup(user).lastSeenMilliseconds == Sample.now + expected)
            }
        },
        ContractCase("Whom a user blocks is told when it is asked for, in the order of the users") { stores in
            let memberships = try #require(stores.presence as? any MembershipStore)
            let users = (0..<3).map { _ in Sample.user() }
            let others = (0..<2).map { _ in Sample.user() }
            for other in others {
                _ = try await answer {
                    memberships.apply(
                        .block(other, on: true), of: users[1], id: .short(), nowMilliseconds: Sample.now, $0)
                }
            }
            _ = try await stores.register(Sample.session(on: Sample.incarnation()), of: users[2])
            let found = try await answer { stores.presence.lookup(users, withBlocked: true, $0) }
            #expect(found.map { Set($0.blocked) } == [[], Set(others), []])
            #expect(found.map(\.sessions.count) == [0, 0, 1])
            #expect(try await stores.lookup(users).allSatisfy(\.blocked.isEmpty))
            _ = try await answer {
                memberships.apply(
                    .block(others[0], on: false), of: users[1], id: .short(), nowMilliseconds: Sample.now, $0)
            }
            let after = try await answer { stores.presence.lookup(users, withBlocked: true, $0) }
            #expect(after[1].blocked == [others[1]])
        },
    ]

    private static func hidden(
        on holder: Incarnation, since: Int64 = Sample.now, device: String? = nil
    ) -> SessionRecord {
        SessionRecord(
            session: .new(), holder: holder, device: device.flatMap { DeviceName($0) }, sinceMilliseconds: since,
            isInvisible: true)
    }
}
