import ApusTesting
import Bus
import Core
import Foundation
import NATSBus
import Spawn
import Testing

@Suite("NATS over TLS", .enabled(if: Certificates.canBeMade, "openssl is not installed"))
struct NATSTLSTests {
    @Test("A server whose certificate an authority of ours signed is used, another one is refused")
    func tls() async throws {
        let certificates = try await Certificates()
        defer { certificates.remove() }
        let server = try await NATSServer.started(
            arguments: [
                "--tls", "--tlscert", certificates.path("server.pem"), "--tlskey", certificates.path("server.key"),
            ])
        defer { server.stop() }
        let url = "tls://127.0.0.1:\(server.port)"
        let subjects = try Subjects.forTest()

        let node = try await Node.connected(url, subjects: subjects) { $0.caFile = certificates.path("ca.pem") }
        let got = Texts()
        try await node.bus.consume(inFlightMax: 8) { message in
            got.add(message.message.text)
            message.settle(.done)
        }
        for number in 0..<100 { try await node.store("\(number)") }
        try await eventually("they came") { got.count == 100 }
        try await server.killAndRestart()
        try await eventually("it is back") { node.events.count >= 3 && node.bus.isConnected }
        try await node.store("100")
        try await eventually("it came") { got.all.contains("100") }
        await node.bus.close()

        let stranger = try Node(url, subjects: subjects) { $0.startMilliseconds = 500 }
        let error = try await startUpError(stranger)
        #expect(error.kind == .tls && error.message.contains("CA"))
        let plain = try Node("nats://127.0.0.1:\(server.port)", subjects: subjects) { $0.startMilliseconds = 500 }
        #expect(try await startUpError(plain).kind == .tls)
    }

    @Test("Files that cannot be read are named")
    func files() async throws {
        let missing = "/nowhere/at-all"
        let port = try FreePort.next()
        let credentials = try Node("nats://127.0.0.1:\(port)", subjects: .forTest()) { $0.credentials = .file(missing) }
        let authority = try Node("tls://127.0.0.1:\(port)", subjects: .forTest()) { $0.caFile = missing }
        for node in [credentials, authority] {
            let error = try await startUpError(node)
            #expect(error.kind == .configuration && error.message.contains(missing))
        }
    }
}

/// An authority and a server certificate for 127.0.0.1, made by openssl.
private struct Certificates {
    private static let openssl = "/usr/bin/openssl"
    static let canBeMade = FileManager.default.isExecutableFile(atPath: openssl)
    private let folder: URL

    init() async throws {
        folder = try TestFolder.make("tls")
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        try await run(
            ["req", "-x509"] + key + [
                "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority",
            ])
        try await run(["req"] + key + ["-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1"])
        try Data("subjectAltName=IP:127.0.0.1\n".utf8).write(to: folder.appendingPathComponent("names"))
        try await run([
            "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.pem",
        ])
    }

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    func remove() { try? FileManager.default.removeItem(at: folder) }

    private func run(_ arguments: [String]) async throws {
        let outcome = try await ChildProcess.outcome(of: Self.openssl, arguments, folder: folder.path)
        guard outcome.status == 0 else { throw TestFailure("openssl \(arguments[0]) failed: \(outcome.error)") }
    }
}
