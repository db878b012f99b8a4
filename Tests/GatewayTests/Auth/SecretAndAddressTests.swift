import Testing

@testable import Gateway

@Suite("Which secrets a node starts with")
struct SecretRulesTests {
    @Test("32 bytes are enough, 31 are not, unless short secrets are allowed")
    func length() {
        let secret = "0f8c3b1d9a7e4c2fb6d85a1e3c9f70"
        #expect(SecretRules.problem(secret + "xy", allowShort: false) == nil)
        #expect(SecretRules.problem(secret + "x", allowShort: false)?.contains("31 bytes") == true)
        #expect(SecretRules.problem(secret + "x", allowShort: true) == nil)
        #expect(SecretRules.problem("paopao-compat-test-secret", allowShort: false) != nil)
        #expect(SecretRules.problem("paopao-compat-test-secret", allowShort: true) == nil)
    }

    @Test(
        "Published secrets are refused, short ones allowed or not",
        arguments: [
            "your-256-bit-secret", "YOUR-256-BIT-SECRET", "secret", "changeme", "change-me",
            "18a6413dc4fe394c66345ebe501b2f26",
            "18A6413DC4FE394C66345EBE501B2F26", "a-string-secret-at-least-256-bits-long",
            "!ChangeThisMercureHubJWTSecretKey!",
            "secretsecretsecretsecretsecretsecret", "secret-secret-secret-secret-secret-secret",
            "your-256-bit-secret your-256-bit-secret", "reallyreallyreallyreallyverysafe",
        ])
    func published(secret: String) {
        #expect(SecretRules.problem(secret, allowShort: false)?.contains("published") == true)
        #expect(SecretRules.problem(secret, allowShort: true)?.contains("published") == true)
    }

    @Test(
        "A secret is not refused for containing a word of the list",
        arguments: [
            "test-secret-for-the-gateway-0123456789", "secretsecretsecretsecretsecretsecret1",
            "my own passphrase, the secret of which is long",
            "----------------------------------------",
        ])
    func others(secret: String) {
        #expect(SecretRules.problem(secret, allowShort: false) == nil)
    }
}

@Suite("Ranges of addresses")
struct AddressRangeTests {
    @Test(
        "An address lies in a range or not",
        arguments: [
            ("10.0.0.0/8", "10.255.1.2", true), ("10.0.0.0/8", "11.0.0.0", false), ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false), ("192.0.2.128/25", "192.0.2.127", false), ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false), ("::/0", "8.8.8.8", true), ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::1", "0:0:0:0:0:0:0:1", true), ("10.0.0.0/8", "::ffff:10.1.2.3", true), ("10.1.2.3/8", "10.9.9.9", true),
            ("10.0.0.0/8", "nonsense", false), ("10.0.0.0/8", "", false),
        ])
    func contains(range: String, address: String, expected: Bool) throws {
        #expect(try #require(AddressRange(range)).contains(address) == expected)
    }

    @Test(
        "What is no range is refused",
        arguments: [
            "", "10.0.0.0/33", "10.0.0/8", "::1/129", "host", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "[::1]",
        ])
    func refused(text: String) {
        #expect(AddressRange(text) == nil)
    }
}
