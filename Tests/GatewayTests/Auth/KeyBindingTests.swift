import ApusTesting
import Core
import Foundation
import Testing

@testable import Gateway

@Suite("Which key checks a token")
struct KeyBindingTests {
    @Test("RS256, ES256 and EdDSA tokens are accepted by the key that their kid names")
    func asymmetric() async throws {
        let keys = [try await Keys.rs256, try await Keys.es256, try await Keys.edDSA]
        let verifier = try await Fixtures.keySet(keys[0], keys[1], keys[2])
        for key in keys { #expect(try await verifier.user(key.token(Fixtures.payload)) == "alice", "\(key.algorithm)") }
    }

    @Test("The public key of a set is never a shared secret: RS256 turned into HS256 is refused")
    func confusion() async throws {
        let rsa = try await Keys.rs256
        for secret in [rsa.jwk, TestKey.keySet([rsa])] {
            let forger = try await TestKey.hs256(secret, id: "rs-1")
            let token = try forger.token(Fixtures.payload)
            #expect(try await Fixtures.keySet(rsa).refusal(token) == .algorithm)
            // With a secret configured as well, the kid of the set leads nowhere for HS256.
            #expect(try await Fixtures.keySet(rsa, secret: Keys.secret).refusal(token) == .unknownKey)
            #expect(
                try await Fixtures.keySet(rsa, secret: Keys.secret).refusal(forger.named(nil).token(Fixtures.payload))
                    == .signature)
        }
    }

    @Test("With a secret alone, asymmetric tokens are refused; with a set alone, HS256 ones")
    func onlyWhatIsConfigured() async throws {
        #expect(try await Fixtures.hs256().refusal(Keys.rs256.token(Fixtures.payload)) == .algorithm)
        #expect(try await Fixtures.keySet(Keys.rs256).refusal(Keys.hs256.token(Fixtures.payload)) == .algorithm)
    }

    @Test("With both configured, the token's alg decides")
    func both() async throws {
        let verifier = try await Fixtures.keySet(Keys.es256, secret: Keys.secret)
        #expect(await verifier.refusal(try await Keys.hs256.token(Fixtures.payload)) == nil)
        #expect(await verifier.refusal(try await Keys.es256.token(Fixtures.payload)) == nil)
    }

    @Test("An unknown kid is refused even when the only key of the set would fit")
    func noFallback() async throws {
        let verifier = try await Fixtures.keySet(Keys.rs256)
        #expect(await verifier.refusal(try await Keys.rs256.named("rs-9").token(Fixtures.payload)) == .unknownKey)
        #expect(await verifier.refusal(try await Keys.rs256.named("").token(Fixtures.payload)) == .unknownKey)
    }

    @Test("A kid leads to its own key and to no other")
    func otherKey() async throws {
        let verifier = try await Fixtures.keySet(Keys.rs256, Keys.rs256Other)
        #expect(await verifier.refusal(try await Keys.rs256.named("rs-2").token(Fixtures.payload)) == .signature)
    }

    @Test("A token without kid is accepted when the set has one key, and refused when it has two")
    func withoutKid() async throws {
        let token = try await Keys.rs256.named(nil).token(Fixtures.payload)
        #expect(try await Fixtures.keySet(Keys.rs256).refusal(token) == nil)
        #expect(try await Fixtures.keySet(Keys.rs256, Keys.es256).refusal(token) == .unknownKey)
    }

    @Test("The algorithm is the key's: the same kid with another alg is refused")
    func boundAlgorithm() async throws {
        let verifier = try await Fixtures.keySet(Keys.rs256)
        for name in ["ES256", "EdDSA"] {
            let token = try await Keys.rs256.token(Fixtures.payload, header: "{\"alg\":\"\(name)\",\"kid\":\"rs-1\"}")
            #expect(await verifier.refusal(token) == .algorithm)
        }
        for name in ["PS256", "RS384", "RS512"] {
            let token = try await Keys.rs256.token(Fixtures.payload, header: "{\"alg\":\"\(name)\",\"kid\":\"rs-1\"}")
            #expect(await verifier.refusal(token) == .algorithm)
        }
    }

    @Test("A signature of the wrong length is refused, not fatal")
    func signatureLengths() async throws {
        for key in [try await Keys.rs256, try await Keys.es256, try await Keys.edDSA] {
            let verifier = try await Fixtures.keySet(key)
            let parts = try key.token(Fixtures.payload).split(separator: ".")
            for signature in ["", "AA", String(repeating: "A", count: 1000)] {
                #expect(await verifier.refusal("\(parts[0]).\(parts[1]).\(signature)") == .signature)
            }
        }
    }

    @Test("Keys that must not be used are skipped with the reason, and the others used")
    func skipped() async throws {
        let good = try await Keys.es256
        let rsa = try await Keys.rs256.jwk.dropFirst().dropLast()
        let ec = good.jwk.dropFirst().dropLast()
        let short = TestKey.base64URL(Data([0x80] + [UInt8](repeating: 1, count: 127)))
        let unusable = [
            "{\(rsa),\"use\":\"enc\"}", "{\(rsa),\"alg\":\"RS512\"}", "{\(rsa),\"alg\":\"HS256\"}",
            "{\(rsa),\"key_ops\":[\"sign\"]}",
            "{\"kty\":\"RSA\",\"n\":\"\(short)\",\"e\":\"AQAB\"}", "{\"kty\":\"oct\",\"k\":\"\(short)\"}",
            "{\"kty\":\"RSA\",\"e\":\"AQAB\"}",
            "{\(ec),\"alg\":\"ES384\"}", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
            "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"}",
            "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}",
            "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA==\"}", "{\"kid\":1,\(ec)}", "{}", "[]", "null", "1",
        ]
        var reasons: [Int: String] = [:]
        let document = Array(TestKey.keySet(jwks: unusable + [good.jwk]).utf8)
        let set = try await KeySet.parse(document) { reasons[$0] = $1.description }
        #expect(set.keys.map(\.id) == ["es-1"])
        #expect(reasons.keys.sorted() == Array(unusable.indices))
        #expect(reasons[4]?.contains("1024 bits") == true)
    }

    @Test(
        "A document that is no set, or has no usable key, is refused",
        arguments: [
            "", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "{\"keys\":[{}]}", "<html>", "{\"keys\":[],\"keys\":[]}",
        ])
    func noSet(document: String) async {
        await #expect(throws: UnusableKeySet.self) { try await KeySet.parse(Array(document.utf8)) { _, _ in } }
    }
}
