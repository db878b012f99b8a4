import ApusTesting
import Core
import Foundation
import NIOSSL
import Testing
import Wire

@testable import Gateway

@Suite("TLS of the public listener")
struct TLSTests {
    /// Makes a certificate for localhost that vouches for itself.
    private func makeCertificate(in folder: URL) async throws {
        let openssl = ServerProcess(
            "openssl", executable: "openssl",
            arguments: [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out",
                "cert.pem",
            ], folder: folder)
        try openssl.start()
        guard await openssl.waitForExit() == 0 else { throw TestFailure("openssl: \(openssl.output)") }
    }

    /// A client that trusts the certificate that is in the folder now, and no other.
    private func trust(_ folder: URL) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.trustRoots = .certificates(
            try NIOSSLCertificate.fromPEMFile(folder.appendingPathComponent("cert.pem").path))
        return try NIOSSLContext(configuration: configuration)
    }

    @Test("wss works; after reload new connections get the new certificate and the old ones stay")
    func reload() async throws {
        let folder = try TestFolder.make("tls")
        defer { try? FileManager.default.removeItem(at: folder) }
        try await makeCertificate(in: folder)
        let file = { (name: String) in folder.appendingPathComponent(name).path }
        try await TestNode.run(configure: {
            $0.tls = TLSFiles(certificate: file("cert.pem"), privateKey: file("key.pem"))
        }) { node in
            let user = someUser()
            let token = try await TestNode.token(user)
            let old = try trust(folder)
            let first = try await ScriptedClient.connect(port: node.port, tls: old)
            defer { first.drop() }
            #expect(try await first.hello(token: token).string("ev") == "welcome")

            // Files that are no good change nothing.
            try Data("nonsense".utf8).write(to: folder.appendingPathComponent("cert.pem"))
            await node.node.reload()
            let still = try await ScriptedClient.connect(port: node.port, tls: old)
            still.drop()

            try await makeCertificate(in: folder)
            await node.node.reload()
            let fresh = try await ScriptedClient.connect(port: node.port, tls: try trust(folder))
            defer { fresh.drop() }
            #expect(try await fresh.hello(token: token).string("ev") == "welcome")
            await #expect(throws: (any Error).self) { try await ScriptedClient.connect(port: node.port, tls: old) }
            try await node.notify(user)
            for client in [first, fresh] { #expect(try await client.durable(1).count == 1) }
        }
    }

    @Test("A refusal and a close frame arrive whole over TLS too")
    func endings() async throws {
        let folder = try TestFolder.make("tls")
        defer { try? FileManager.default.removeItem(at: folder) }
        try await makeCertificate(in: folder)
        let file = { (name: String) in folder.appendingPathComponent(name).path }
        try await TestNode.run(configure: {
            $0.tls = TLSFiles(certificate: file("cert.pem"), privateKey: file("key.pem"))
        }) { node in
            let tls = try trust(folder)
            let raw = try await ScriptedClient.raw(port: node.port, tls: tls)
            defer { raw.drop() }
            try await raw.send(raw: Array("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
            #expect(try await raw.httpAnswer().status == 404)
            let client = try await ScriptedClient.connect(port: node.port, tls: tls)
            defer { client.drop() }
            #expect(try await client.hello(token: "x").errorCode == "unauthenticated")
            #expect(try await client.closeCode() == 4401)
            // Plain text on the TLS port ends the connection and nothing else.
            let plain = try await ScriptedClient.raw(port: node.port)
            try await plain.send(raw: Array("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n".utf8))
            guard case .end = try await plain.next() else { throw TestFailure("plain text was answered") }
        }
    }

    /// TLS keeps what is not flushed to itself, so the channel seemed writable however much one turn wrote.
    @Test("A reader that stops is told behind over TLS too, though everything comes in one turn of the loop (G9)")
    func behind() async throws {
        let folder = try TestFolder.make("tls")
        defer { try? FileManager.default.removeItem(at: folder) }
        try await makeCertificate(in: folder)
        let file = { (name: String) in folder.appendingPathComponent(name).path }
        try await TestNode.run(configure: {
            $0.tls = TLSFiles(certificate: file("cert.pem"), privateKey: file("key.pem"))
        }) { node in
            let user = try #require(UserID(someUser()))
            let client = try await ScriptedClient.connect(
                port: node.port, tls: try trust(folder), receiveBufferBytes: 8192)
            defer { client.drop() }
            _ = try await client.hello(token: try await TestNode.token(user.text))
            try await client.setReading(false)
            let data = Array("\"\(String(repeating: "x", count: 60_000))\"".utf8)
            let frame = ServerFrames.live(type: Array("\"t\"".utf8)[...], data: data[...])
            let id = { (n: Int) in Fingerprint.of(n == 0 ? [] : Array("e\(n)".utf8)) }
            // More than the kernel takes; each names the one before, so none has to be read from the store.
            node.node.hub.deliver(
                (1...150).map {
                    Delivery.event(
                        user: user, seq: Int64($0), previous: id($0 - 1), id: id($0), acceptedMicroseconds: 0,
                        frame: frame)
                })
            try await client.setReading(true)
            var (events, last) = (0, "")
            while last != "behind" {
                last = try await client.frame().string("ev") ?? ""
                if last == "live" { events += 1 }
            }
            #expect(events < 150)
        }
    }

    @Test("A node whose certificate cannot be used does not start, and says which setting is wrong")
    func badFiles() async throws {
        await #expect {
            _ = try await TestNode.start(configure: { $0.tls = TLSFiles(certificate: "/none", privateKey: "/none") })
        } throws: { error in
            (error as? StartupError)?.kind == .configuration && "\(error)".contains("APUS_TLS_CERT=/none")
        }
    }
}
