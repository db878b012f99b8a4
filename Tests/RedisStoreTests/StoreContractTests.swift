import ApusTesting
import Testing

@Suite("The stores on Redis keep the ports' promises", .redis())
struct StoreContractTests {
    @Test("A timeline", arguments: TimelineStoreContract.cases)
    func timeline(_ promise: ContractCase<StoresUnderTest>) async throws {
        try await promise.check(RedisFixture.the().contract)
    }

    @Test("An inbox", arguments: InboxStoreContract.cases)
    func inbox(_ promise: ContractCase<StoresUnderTest>) async throws {
        try await promise.check(RedisFixture.the().contract)
    }

    @Test("The session directory", arguments: PresenceStoreContract.cases)
    func presence(_ promise: ContractCase<StoresUnderTest>) async throws {
        try await promise.check(RedisFixture.the().contract)
    }

    @Test("Conversations", arguments: ConversationStoreContract.cases)
    func conversations(_ promise: ContractCase<ChatStoresUnderTest>) async throws {
        try await promise.check(RedisFixture.the().chat)
    }

    @Test("A user's side of conversations", arguments: MembershipStoreContract.cases)
    func memberships(_ promise: ContractCase<ChatStoresUnderTest>) async throws {
        try await promise.check(RedisFixture.the().chat)
    }
}

/// A single Redis runs a script whatever its keys; a Cluster refuses keys of different slots (CROSSSLOT), and scripts
/// that touch keys which they did not declare. The users of a case are spread over its three masters.
@Suite("The stores on a Redis Cluster keep the ports' promises", .redisCluster())
struct ClusterContractTests {
    @Test("A timeline", arguments: TimelineStoreContract.cases)
    func timeline(_ promise: ContractCase<StoresUnderTest>) async throws {
        try await promise.check(ClusterFixture.the().contract)
    }

    @Test("An inbox", arguments: InboxStoreContract.cases)
    func inbox(_ promise: ContractCase<StoresUnderTest>) async throws {
        try await promise.check(ClusterFixture.the().contract)
    }

    @Test("The session directory", arguments: PresenceStoreContract.cases)
    func presence(_ promise: ContractCase<StoresUnderTest>) async throws {
        try await promise.check(ClusterFixture.the().contract)
    }

    @Test("Conversations", arguments: ConversationStoreContract.cases)
    func conversations(_ promise: ContractCase<ChatStoresUnderTest>) async throws {
        try await promise.check(ClusterFixture.the().chat)
    }

    @Test("A user's side of conversations", arguments: MembershipStoreContract.cases)
    func memberships(_ promise: ContractCase<ChatStoresUnderTest>) async throws {
        try await promise.check(ClusterFixture.the().chat)
    }
}
