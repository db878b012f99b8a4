import ApusTesting
import Testing

/// The suites that judge adapters, tried on the reference: both mean the same.
@Suite("The reference keeps the contract of")
struct ReferenceContractTests {
    private static let store = ReferenceChatStore()

    @Test("ConversationStore", arguments: ConversationStoreContract.cases)
    func conversations(_ promise: ContractCase<ChatStoresUnderTest>) async throws {
        try await promise.check(Self.store.underTest)
    }

    @Test("MembershipStore", arguments: MembershipStoreContract.cases)
    func memberships(_ promise: ContractCase<ChatStoresUnderTest>) async throws {
        try await promise.check(Self.store.underTest)
    }

    @Test("both together", arguments: ChatModelContract.cases)
    func together(_ promise: ContractCase<ChatStoresUnderTest>) async throws {
        try await promise.check(Self.store.underTest)
    }
}
