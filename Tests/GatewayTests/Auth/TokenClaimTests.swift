import ApusTesting
import Core
import Testing

@testable import Gateway

@Suite("The claims of a token")
struct TokenClaimTests {
    private func refusal(
        _ payload: String, _ change: (inout AuthConfiguration) -> Void = { _ in }
    ) async throws -> AuthFailure.Reason? {
        try await Fixtures.hs256(change).refusal(Keys.hs256.token(payload))
    }

    @Test("exp is required")
    func missing() async throws {
        #expect(try await refusal("{\"sub\":\"alice\"}") == .malformed)
    }

    @Test(
        "exp must be a whole number of seconds",
        arguments: [
            "\"1800003600\"", "1800003600.5", "1800003600.0", "1.8e9", "null", "true", "[1800003600]", "-1",
            "9223372036854775807",
            "99999999999999999999", "1800003600000",
        ])
    func expForms(value: String) async throws {
        #expect(try await refusal("{\"sub\":\"alice\",\"exp\":\(value)}") == .malformed)
    }

    @Test("A token is good until the millisecond before exp, and not at it")
    func expiry() async throws {
        let verifier = try await Fixtures.hs256()
        let token = try await Keys.hs256.token(Fixtures.payload)
        _ = try await verifier.verify(token, nowMilliseconds: 1_800_003_600_000 - 1)
        await #expect(throws: AuthFailure.self) { try await verifier.verify(token, nowMilliseconds: 1_800_003_600_000) }
        #expect(try await refusal("{\"sub\":\"alice\",\"exp\":0}") == .expired)
    }

    @Test("nbf is honoured with five seconds of grace")
    func notBefore() async throws {
        #expect(try await refusal("{\"sub\":\"alice\",\"exp\":1800003600,\"nbf\":1800000005}") == nil)
        #expect(try await refusal("{\"sub\":\"alice\",\"exp\":1800003600,\"nbf\":1800000006}") == .notYetValid)
        #expect(try await refusal("{\"sub\":\"alice\",\"exp\":1800003600,\"nbf\":\"1\"}") == .malformed)
        #expect(try await refusal("{\"sub\":\"alice\",\"exp\":1800003600,\"nbf\":1.5}") == .malformed)
    }

    @Test(
        "A payload that says a claim twice, is no object, or has something behind it is refused",
        arguments: [
            "{\"sub\":\"alice\",\"sub\":\"bob\",\"exp\":1800003600}",
            "{\"sub\":\"alice\",\"exp\":1800003600,\"s\\u0075b\":\"bob\"}",
            "[]", "null", "{\"sub\":\"alice\",\"exp\":1800003600} {}", "{\"sub\":\"alice\",\"exp\":1800003600",
            "{\"sub\":\"alice\",\"exp\":1,\"exp\":1800003600}",
        ])
    func payloadJSON(payload: String) async throws {
        #expect(try await refusal(payload) == .malformed)
    }

    @Test("iss must be the configured one exactly")
    func issuer() async throws {
        for (claim, expected) in [
            ("\"https://id.example\"", nil), ("\"https://id.example/\"", AuthFailure.Reason.issuer),
            ("\"HTTPS://id.example\"", .issuer), ("[\"https://id.example\"]", .issuer), ("null", .issuer),
        ] {
            let payload = "{\"sub\":\"alice\",\"exp\":1800003600,\"iss\":\(claim)}"
            #expect(try await refusal(payload) { $0.issuer = "https://id.example" } == expected)
            #expect(try await refusal(payload) == nil, "not configured, not checked")
        }
        #expect(try await refusal(Fixtures.payload) { $0.issuer = "https://id.example" } == .issuer)
    }

    @Test("aud must be the configured one or contain it")
    func audience() async throws {
        for (claim, expected) in [
            ("\"apus\"", nil), ("[\"web\",\"apus\"]", nil), ("\"apus2\"", AuthFailure.Reason.audience),
            ("\"Apus\"", .audience),
            ("[\"web\"]", .audience), ("[]", .audience), ("[[\"apus\"]]", .audience), ("{\"apus\":1}", .audience),
            ("null", .audience),
        ] {
            let payload = "{\"sub\":\"alice\",\"exp\":1800003600,\"aud\":\(claim)}"
            #expect(try await refusal(payload) { $0.audience = "apus" } == expected)
            #expect(try await refusal(payload) == nil, "not configured, not checked")
        }
        #expect(try await refusal(Fixtures.payload) { $0.audience = "apus" } == .audience)
    }

    @Test("A numeric user id becomes its decimal string, digit by digit")
    func numericUser() async throws {
        let verifier = try await Fixtures.hs256 { $0.userClaim = "uid" }
        for id in ["100058", "0", "9007199254740993", "123456789012345678901234567890"] {
            #expect(try await verifier.user(Keys.hs256.token("{\"uid\":\(id),\"exp\":1800003600}")) == id)
        }
    }

    @Test(
        "A user claim that is missing, negative, a fraction, empty, or outside the set is refused",
        arguments: [
            "\"x\":1", "\"uid\":-5", "\"uid\":-0", "\"uid\":1.5", "\"uid\":1e3", "\"uid\":null", "\"uid\":true",
            "\"uid\":\"\"",
            "\"uid\":[\"alice\"]", "\"uid\":{\"id\":\"alice\"}", "\"uid\":\"a b\"", "\"uid\":\"a/b\"", "\"uid\":\"日\"",
            "\"uid\":\"a\\u0000\"",
            "\"uid\":\"12345678901234567890123456789012345678901234567890123456789012345\"",
        ])
    func wrongUser(claim: String) async throws {
        #expect(try await refusal("{\(claim),\"exp\":1800003600}") { $0.userClaim = "uid" } == .userClaim)
    }

    @Test("A token of paopao-ce is accepted by configuration alone")
    func paopao() async throws {
        let token =
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1aWQiOjEwMDA1OCwidXNlcm5hbWUiOiJhbGljZSIsImlzcyI6ImM1OTcwYTlhODRlYmZhNjNiNz"
            + "ZlMDJkOTA1NzUwOTI3IiwiZXhwIjoxODkzNDU2MDAwfQ.bQqdvefKGU5wLd38L7OdM_LpjwTsPCENU8sS4HfWBkc"
        var configuration = AuthConfiguration(hs256Secret: "paopao-compat-test-secret")
        configuration.userClaim = "uid"
        let verified = try await Fixtures.verifier(configuration).verify(token, nowMilliseconds: Fixtures.now)
        #expect(verified.user.text == "100058")
        #expect(verified.expiresAtSeconds == 1_893_456_000)
    }

    @Test("What the minter makes, the verifier accepts, issuer, audience, kid and claim included")
    func minted() async throws {
        var configuration = AuthConfiguration(hs256Secret: Keys.secret)
        configuration.userClaim = "uid"
        configuration.issuer = "a \"quoted\" issuer"
        configuration.audience = "apus"
        configuration.hs256KeyID = "k1"
        let minter = try #require(try await TokenMinter(configuration))
        let token = try minter.token(for: try #require(UserID("bob")), ttlSeconds: 60, nowMilliseconds: Fixtures.now)
        let verified = try await Fixtures.verifier(configuration).verify(token, nowMilliseconds: Fixtures.now)
        #expect(verified == VerifiedToken(user: try #require(UserID("bob")), expiresAtSeconds: 1_800_000_060))
        let none = try await TokenMinter(AuthConfiguration())
        #expect(none == nil)
    }
}
