import ApusTesting
import Core
import Foundation
import Testing

@testable import Gateway

@Suite("The form of a token and its header")
struct TokenFormTests {
    @Test("A good token gives its user and its expiry")
    func good() async throws {
        let verifier = try await Fixtures.hs256()
        let token = try await Keys.hs256.token(Fixtures.payload)
        let verified = try await verifier.verify(token, nowMilliseconds: Fixtures.now)
        #expect(verified == VerifiedToken(user: try #require(UserID("alice")), expiresAtSeconds: 1_800_003_600))
        #expect(try verifier.verifyNow(token, nowMilliseconds: Fixtures.now)?.get() == verified)
    }

    @Test(
        "What is not three parts of base64url is refused",
        arguments: [
            "", ".", "..", "a.b", "a.b.c.d", "not a token", "eyJhbGciOiJIUzI1NiJ9.e30=.AAAA", "====.====.====",
        ])
    func malformed(text: String) async throws {
        #expect(try await Fixtures.hs256().refusal(text) == .malformed)
    }

    @Test("A good token with anything added, padded, or written in the other alphabet is refused")
    func tampered() async throws {
        let verifier = try await Fixtures.hs256()
        let token = try await Keys.hs256.token(Fixtures.payload)
        for bad in [
            token + ".", token + ".e30", token + "=", token + " ", " " + token, token + "\n", token + "AAAA",
            token + "\0",
        ] {
            let reason = await verifier.refusal(bad)
            #expect(reason == .malformed || reason == .signature, "\(bad.debugDescription)")
        }
        let padded = token.split(separator: ".").map { part in
            String(part) + String(repeating: "=", count: (4 - part.count % 4) % 4)
        }
        #expect(await verifier.refusal(padded.joined(separator: ".")) == .malformed)
    }

    @Test("The last character of a signature has one spelling only")
    func spareBits() async throws {
        let verifier = try await Fixtures.hs256()
        let token = try await Keys.hs256.token(Fixtures.payload)
        // 32 bytes leave two spare bits in the last character: three other letters decode to the same bytes when lax.
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let final = try #require(token.last)
        let last = try #require(alphabet.firstIndex(of: final))
        for spare in 1...3 {
            #expect(await verifier.refusal(token.dropLast() + String(alphabet[last ^ spare])) == .malformed)
        }
    }

    @Test("A changed payload or signature does not verify")
    func forged() async throws {
        let verifier = try await Fixtures.hs256()
        let parts = try await Keys.hs256.token(Fixtures.payload).split(separator: ".").map(String.init)
        let payload = TestKey.base64URL(Data("{\"sub\":\"bob\",\"exp\":1800003600}".utf8))
        #expect(await verifier.refusal([parts[0], payload, parts[2]].joined(separator: ".")) == .signature)
        let other = try await TestKey.hs256("another secret that has more than 32 bytes")
        #expect(await verifier.refusal(try other.token(Fixtures.payload)) == .signature)
        #expect(await verifier.refusal(parts[0] + "." + parts[1] + ".") == .signature)
    }

    @Test("A token of more than 4 KiB is refused before anything is done with it")
    func tooLarge() async throws {
        let verifier = try await Fixtures.hs256()
        let filler = String(repeating: "x", count: 3100)
        let large = try await Keys.hs256.token("{\"sub\":\"alice\",\"exp\":1800003600,\"x\":\"\(filler)\"}")
        #expect(large.utf8.count > Limits.tokenBytesMax)
        #expect(await verifier.refusal(large) == .tooLarge)
        let fits = try await Keys.hs256.token("{\"sub\":\"alice\",\"exp\":1800003600,\"x\":\"\(filler.prefix(2900))\"}")
        #expect(await verifier.refusal(fits) == nil)
    }

    @Test(
        "alg none is refused in every spelling, with and without a signature",
        arguments: ["none", "None", "NONE", "nOnE", ""])
    func algNone(name: String) async throws {
        let verifier = try await Fixtures.hs256()
        let token = try await Keys.hs256.token(Fixtures.payload, header: "{\"alg\":\"\(name)\",\"typ\":\"JWT\"}")
        #expect(await verifier.refusal(token) == .algorithm)
        let unsigned = token.split(separator: ".").prefix(2).joined(separator: ".") + "."
        #expect(await verifier.refusal(unsigned) == .algorithm)
    }

    @Test(
        "An alg that is missing, not a string, another HMAC, or spelled otherwise is refused",
        arguments: [
            "{\"typ\":\"JWT\"}", "{\"alg\":null}", "{\"alg\":256}", "{\"alg\":[\"HS256\"]}", "{\"alg\":\"HS384\"}",
            "{\"alg\":\"hs256\"}",
            "{\"alg\":\"HS256 \"}",
        ])
    func otherAlg(header: String) async throws {
        #expect(try await Fixtures.hs256().refusal(Keys.hs256.token(Fixtures.payload, header: header)) == .algorithm)
    }

    @Test(
        "A header that brings a key, a place to get one, or an extension is refused",
        arguments: [
            "\"crit\":[\"exp\"]", "\"crit\":[]", "\"jku\":\"https://evil.example/keys\"",
            "\"x5u\":\"https://evil.example/cert\"",
            "\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}", "\"x5c\":[\"MIIB\"]", "\"b64\":false", "\"jwk\":null",
        ])
    func dangerousMembers(member: String) async throws {
        let verifier = try await Fixtures.hs256()
        let token = try await Keys.hs256.token(Fixtures.payload, header: "{\"alg\":\"HS256\",\(member)}")
        #expect(await verifier.refusal(token) == .malformed)
    }

    @Test("typ may be absent, JWT or at+jwt in any case, and nothing else")
    func typ() async throws {
        let verifier = try await Fixtures.hs256()
        for good in ["", ",\"typ\":\"JWT\"", ",\"typ\":\"jwt\"", ",\"typ\":\"at+JWT\""] {
            #expect(
                await verifier.refusal(
                    try await Keys.hs256.token(Fixtures.payload, header: "{\"alg\":\"HS256\"\(good)}")) == nil)
        }
        for bad in ["\"dpop+jwt\"", "\"JWE\"", "\"\"", "1", "null"] {
            let token = try await Keys.hs256.token(Fixtures.payload, header: "{\"alg\":\"HS256\",\"typ\":\(bad)}")
            #expect(await verifier.refusal(token) == .malformed)
        }
    }

    @Test(
        "A header that is no object, says a member twice, or is not valid JSON is refused",
        arguments: [
            "[]", "\"HS256\"", "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "{\"alg\":\"HS256\"} ,", "{\"alg\":\"HS256\",}",
            "",
            "{\"alg\":\"HS256\",\"a\\u006cg\":\"none\"}",
        ])
    func headerJSON(header: String) async throws {
        #expect(try await Fixtures.hs256().refusal(Keys.hs256.token(Fixtures.payload, header: header)) == .malformed)
    }

    @Test("An HS256 token with a kid is refused unless it is the configured one")
    func kidOfSecret() async throws {
        let token = try await Keys.hs256.named("2026").token(Fixtures.payload)
        #expect(try await Fixtures.hs256().refusal(token) == .unknownKey)
        let verifier = try await Fixtures.hs256 { $0.hs256KeyID = "2026" }
        #expect(await verifier.refusal(token) == nil)
        #expect(await verifier.refusal(try await Keys.hs256.token(Fixtures.payload)) == nil)
        #expect(await verifier.refusal(try await Keys.hs256.named("2025").token(Fixtures.payload)) == .unknownKey)
        #expect(
            await verifier.refusal(
                try await Keys.hs256.token(Fixtures.payload, header: "{\"alg\":\"HS256\",\"kid\":2026}")) == .malformed)
    }

    @Test("A failure's message never contains the token or what is in it")
    func messages() async throws {
        let verifier = try await Fixtures.hs256()
        let token = try await Keys.hs256.token("{\"sub\":\"alice-the-first\",\"exp\":1}")
        guard case .failure(let failure) = verifier.verifyNow(token, nowMilliseconds: Fixtures.now) else {
            Issue.record("accepted")
            return
        }
        #expect(failure.reason == .expired)
        #expect(!failure.description.contains("alice"))
        #expect(token.split(separator: ".").allSatisfy { !failure.description.contains($0) })
    }
}
