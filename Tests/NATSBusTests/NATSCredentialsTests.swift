import ApusTesting
import Bus
import Core
import Foundation
import NATSBus
import Testing

@Suite("NATS with accounts and .creds files")
struct NATSCredentialsTests {
    @Test(
        "A .creds file is enough to store and take messages, also after the server was killed; a stranger's is refused")
    func credentials() async throws {
        let folder = try TestFolder.make("creds")
        defer { try? FileManager.default.removeItem(at: folder) }
        let accounts = NATSAccounts()
        let path = { (name: String) in folder.appendingPathComponent(name) }
        try Data(accounts.serverConfiguration().utf8).write(to: path("nats.conf"))
        try Data(accounts.credentials().utf8).write(to: path("user.creds"))
        try Data(accounts.credentials(signedBy: NATSAccounts().account).utf8).write(to: path("stranger.creds"))
        let server = try await NATSServer.started(arguments: ["-c", path("nats.conf").path])
        defer { server.stop() }
        let subjects = try Subjects.forTest()
        let node = try await Node.connected(server.url, subjects: subjects) {
            $0.credentials = .file(path("user.creds").path)
        }
        let got = Texts()
        try await node.bus.consume(inFlightMax: 8) { message in
            got.add(message.message.text)
            message.settle(.done)
        }
        try await node.store("before")
        try await eventually("it came") { got.all == ["before"] }
        try await server.killAndRestart()
        try await eventually("it is back") { node.events.count >= 3 && node.bus.isConnected }
        try await node.store("after")
        try await eventually("it came") { got.all.contains("after") }
        await node.bus.close()

        let stranger = try Node(server.url, subjects: subjects) {
            $0.credentials = .file(path("stranger.creds").path)
        }
        #expect(try await startUpError(stranger).kind == .credentials)
        let nobody = try Node(server.url, subjects: subjects)
        #expect(try await startUpError(nobody).kind == .credentials)
    }
}
