import ApusTesting
import Core
import Foundation
import Testing

@testable import Gateway

@Suite("A key set behind a URL")
struct KeySetURLTests {
    private func withServer(_ answer: KeySetServer.Answer, _ body: (KeySetServer) async throws -> Void) async throws {
        let server = try await KeySetServer.start(answer)
        do { try await body(server) } catch {
            try await server.stop()
            throw error
        }
        try await server.stop()
    }

    @Test("It is fetched, its max-age kept, and tokens checked with it")
    func fetched() async throws {
        let set = TestKey.keySet([try await Keys.rs256])
        try await withServer(.init(headers: ["Cache-Control: public, max-age=120"], body: set)) { server in
            let (document, maxAge) = try await KeySetURL(url: server.url).read()
            #expect(String(decoding: document, as: UTF8.self) == set)
            #expect(maxAge == 120)
            let verifier = TokenVerifier(AuthConfiguration(jwks: .url(server.url)), logger: Fixtures.logger)
            try await verifier.start()
            #expect(await verifier.refusal(try await Keys.rs256.token(Fixtures.payload)) == nil)
            #expect(server.requests.count == 2)
            #expect(server.requests[0].hasPrefix("GET /keys HTTP/1.1\r\n"))
            await verifier.shutdown()
        }
    }

    @Test(
        "A redirect is not followed, and an error status is no set",
        arguments: ["302 Found", "404 Not Found", "500 Oops", "204 No Content"])
    func status(status: String) async throws {
        let set = TestKey.keySet([try await Keys.es256])
        try await withServer(
            .init(status: status, headers: ["Location: http://127.0.0.1:1/"], body: status.hasPrefix("204") ? "" : set)
        ) {
            server in
            await #expect(throws: KeySetUnreadable.self) { try await KeySetURL(url: server.url).read() }
            #expect(server.requests.count == 1)
        }
    }

    @Test("More than 1 MiB is not read")
    func tooLarge() async throws {
        let body = TestKey.keySet([try await Keys.es256]) + String(repeating: " ", count: 1024 * 1024)
        try await withServer(.init(body: body)) { server in
            await #expect(throws: (any Error).self) { try await KeySetURL(url: server.url).read() }
        }
    }

    @Test("A server that stops in the middle is given up")
    func stalled() async throws {
        try await withServer(.init(body: "{\"keys\":[]}", stallAfterBytes: 60)) { server in
            await #expect(throws: (any Error).self) { try await KeySetURL(url: server.url, timeoutSeconds: 1).read() }
        }
    }

    @Test("Shutting down does not wait for a server that does not answer")
    func shutdownWhileFetching() async throws {
        let set = TestKey.keySet([try await Keys.es256])
        try await withServer(.init(body: set)) { server in
            let patient = KeySetURL(url: server.url, timeoutSeconds: 120)
            let verifier = TokenVerifier(
                AuthConfiguration(jwks: .url(server.url)), keySet: patient, logger: Fixtures.logger)
            try await verifier.start()
            server.set(.init(body: set, stallAfterBytes: 10))
            let reload = Task { await verifier.reload() }
            try await eventually("the second request is there") { server.requests.count == 2 }
            let began = ContinuousClock.now
            await verifier.shutdown()
            await reload.value
            #expect(ContinuousClock.now - began < .seconds(30), "the fetch's own limits are 120 s and 60 s")
            #expect(await verifier.refusal(try await Keys.es256.token(Fixtures.payload)) == nil)
        }
    }

    @Test("Nobody at the address is a failure that names no secret")
    func nobody() async throws {
        let url = "http://127.0.0.1:\(try FreePort.next())/keys"
        await #expect(throws: (any Error).self) { try await KeySetURL(url: url, timeoutSeconds: 1).read() }
    }

    @Test(
        "Cache-Control is read as RFC 9111 writes it",
        arguments: [
            (["max-age=60"], 60), (["public", "Max-Age=\"300\""], 300), (["no-store", "max-age=60"], 0),
            (["max-age=-1"], nil),
            (["s-maxage=9"], nil), ([], nil), (["max-age"], nil),
        ] as [([String], Int?)])
    func cacheControl(directives: [String], expected: Int?) {
        #expect(KeySetURL.maxAgeSeconds(directives) == expected)
    }

    @Test("Only https, or http on this machine, or a file is accepted")
    func problems() {
        for good in [
            "https://id.example/keys", "http://127.0.0.1:8000/k", "http://localhost/k", "http://[::1]:9/k",
            "HTTPS://id.example/",
        ] {
            #expect(JWKSSource.url(good).problem == nil, "\(good)")
        }
        for bad in [
            "http://id.example/keys", "http://127.0.0.1.evil.example/", "http://localhost.evil.example/",
            "ftp://id.example/", "https://",
            "file:///etc/keys", "https:///keys", "http://10.0.0.1/",
        ] { #expect(JWKSSource.url(bad).problem != nil, "\(bad)") }
        #expect(JWKSSource.file("/nowhere").problem == nil)
    }
}
