import ApusTesting
import Core
import Embedded
import Foundation
import Testing

/// The promises that every store keeps, on SQLite. One store serves all of them, as one node's does.
@Suite("The embedded store keeps the contract of")
final class StoreContractTests: Sendable {
    private static let shared = Result { try TemporaryStore(limits: .forTests).unlink() }

    @Test("TimelineStore", arguments: TimelineStoreContract.cases)
    func timelines(_ promise: ContractCase<StoresUnderTest>) async throws { try await check(promise) }

    @Test("InboxStore", arguments: InboxStoreContract.cases)
    func inbox(_ promise: ContractCase<StoresUnderTest>) async throws { try await check(promise) }

    @Test("PresenceStore", arguments: PresenceStoreContract.cases)
    func presence(_ promise: ContractCase<StoresUnderTest>) async throws { try await check(promise) }

    @Test("ConversationStore", arguments: ConversationStoreContract.cases)
    func conversations(_ promise: ContractCase<ChatStoresUnderTest>) async throws { try await check(promise) }

    @Test("MembershipStore", arguments: MembershipStoreContract.cases)
    func memberships(_ promise: ContractCase<ChatStoresUnderTest>) async throws { try await check(promise) }

    private func check(_ promise: ContractCase<ChatStoresUnderTest>) async throws {
        let store = try Self.shared.get().store
        try await promise.check(
            ChatStoresUnderTest(
                conversations: store, memberships: store, timelines: store, inbox: store, presence: store,
                limits: .forTests))
    }

    private func check(_ promise: ContractCase<StoresUnderTest>) async throws {
        let store = try Self.shared.get().store
        try await promise.check(
            StoresUnderTest(timelines: store, inbox: store, presence: store, limits: .forTests))
    }
}
