import ApusTesting
import Bus
import Core
import Testing

@Suite("The NATS bus keeps the promises of the port", .natsServer)
struct NATSBusContractTests {
    @Test("The bus", arguments: BusContract.cases)
    func bus(_ promise: ContractCase<BusesUnderTest>) async throws {
        let server = try #require(WithNATSServer.current)
        try await promise.check(BusesUnderTest { try await Node.connected(server.url, subjects: $0).bus })
    }
}
