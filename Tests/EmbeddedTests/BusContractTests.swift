import ApusTesting
import Embedded
import Testing

@Suite("The in-process bus keeps the contract of")
struct BusContractTests {
    @Test("Bus", arguments: BusContract.cases)
    func bus(_ promise: ContractCase<BusesUnderTest>) async throws {
        let network = InProcessBus.Network()
        try await promise.check(BusesUnderTest { InProcessBus(subjects: $0, network: network) })
    }
}
