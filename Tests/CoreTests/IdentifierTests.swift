import Core
import Testing

@Suite("Identifiers")
struct IdentifierTests {
    private static let alphanumeric = Set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".unicodeScalars)

    /// Every scalar up to U+00FF and some beyond, alone and in the middle.
    private func expectExactly(_ allowed: Set<Unicode.Scalar>, _ accepts: (String) -> Bool) {
        let scalars =
            (0...0xFF).compactMap { Unicode.Scalar($0 as UInt32) } + [
                "\u{100}", "\u{301}", "\u{202E}", "雨", "😀", "\u{FF21}",
            ]
        for scalar in scalars {
            #expect(accepts(String(scalar)) == allowed.contains(scalar), "U+\(String(scalar.value, radix: 16))")
            #expect(accepts("a\(scalar)b") == allowed.contains(scalar), "U+\(String(scalar.value, radix: 16)) inside")
        }
    }

    private func expectLength(_ max: Int, _ accepts: (String) -> Bool) {
        #expect(
            !accepts("") && accepts("a") && accepts(String(repeating: "a", count: max))
                && !accepts(String(repeating: "a", count: max + 1)))
    }

    @Test("of users are 1 to 64 bytes of the set in the protocol")
    func users() {
        expectExactly(Self.alphanumeric.union("._:@+=~-".unicodeScalars)) { UserID($0) != nil }
        expectLength(64) { UserID($0) != nil }
    }

    @Test("of users are in byte order")
    func userOrder() throws {
        let users = try ["10", "9", "A", "a", "~", "-", "a1", "Z"].map { try #require(UserID($0)) }
        #expect(users.sorted().map(\.text) == ["-", "10", "9", "A", "Z", "a", "a1", "~"])
    }

    @Test("of topics are 1 to 128 bytes, and no wildcard")
    func topics() {
        expectExactly(Self.alphanumeric.union("._-".unicodeScalars)) { Topic($0) != nil }
        expectLength(128) { Topic($0) != nil }
    }

    @Test("of devices are 1 to 64 bytes")
    func devices() {
        expectExactly(Self.alphanumeric.union("._-".unicodeScalars)) { DeviceName($0) != nil }
        expectLength(64) { DeviceName($0) != nil }
    }

    @Test("of sessions are made and read back")
    func sessions() {
        expectExactly(Self.alphanumeric.union("_-".unicodeScalars)) { SessionID($0) != nil }
        expectLength(32) { SessionID($0) != nil }
        let id = SessionID.new()
        #expect(
            id.text.hasPrefix("s-") && id.text.utf8.count == 14 && SessionID(id.text) == id && SessionID.new() != id)
    }

    @Test("of events are anything that stands in JSON as it is")
    func events() {
        let forbidden = Set((0..<0x20).compactMap { Unicode.Scalar($0 as UInt32) } + ["\"", "\\", "\u{7F}"])
        let all = Set(
            (0...0xFF).compactMap { Unicode.Scalar($0 as UInt32) } + [
                "\u{100}", "\u{301}", "\u{202E}", "雨", "😀", "\u{FF21}",
            ])
        expectExactly(all.subtracting(forbidden)) { EventID($0) != nil }
        expectLength(128) { EventID($0) != nil }
        #expect(
            EventID(String(repeating: "雨", count: 42)) != nil && EventID(String(repeating: "雨", count: 43)) == nil,
            "bytes, not characters")
    }

    @Test("of events made by us sort by age")
    func newEvents() {
        let times: [Int64] = [
            0, 1, 31, 32, 1_795_392_000_000, 1_795_392_000_001, 1_795_392_000_032, 1 << 45, (1 << 48) - 1,
        ]
        let ids = times.map { EventID.new(atMilliseconds: $0).text }
        #expect(ids == ids.sorted())
        #expect(ids.allSatisfy { $0.utf8.count == 26 && EventID($0) != nil })
        #expect(Set((0..<1000).map { _ in EventID.new(atMilliseconds: 7).text }).count == 1000)
        // 48 bits of time: the first ten characters, most significant first, in the alphabet of ULIDs.
        #expect(EventID.new(atMilliseconds: 0).text.hasPrefix("0000000000"))
        #expect(EventID.new(atMilliseconds: (1 << 48) - 1).text.hasPrefix("7ZZZZZZZZZ"))
        #expect(
            EventID.new(atMilliseconds: 1_469_918_176_385).text.hasPrefix("01ARYZ6S41"),
            "the sample of the ULID specification")
        let alphabet = Set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
        #expect(ids.joined().allSatisfy { alphabet.contains($0) })
        #expect(EventID.new(atMilliseconds: -1).text.hasPrefix("0000000000"), "a clock before 1970")
    }

    @Test("of events are compared in memory by a fingerprint of all their bytes")
    func fingerprints() throws {
        // Known values of FNV-1a, 64 bits.
        #expect(Fingerprint.of("".utf8) == 0xcbf2_9ce4_8422_2325)
        #expect(Fingerprint.of("a".utf8) == 0xaf63_dc4c_8601_ec8c)
        #expect(Fingerprint.of("foobar".utf8) == 0x8594_4171_f739_67e8)
        #expect(try #require(EventID("foobar")).fingerprint == 0x8594_4171_f739_67e8)
    }

    @Test("of nodes become one incarnation for each start")
    func incarnations() throws {
        expectExactly(Self.alphanumeric.union("_-".unicodeScalars)) { Incarnation(newOf: $0) != nil }
        expectLength(48) { Incarnation(newOf: $0) != nil }
        let first = try #require(Incarnation(newOf: "gw-1"))
        let second = try #require(Incarnation(newOf: "gw-1"))
        #expect(first != second && first.node == "gw-1" && first.text.hasPrefix("gw-1~") && first.text.utf8.count == 11)
        #expect(Incarnation(text: first.text) == first)
    }

    @Test(
        "of incarnations are read back only whole",
        arguments: [
            "", "gw-1", "~", "gw-1~", "~abc", "gw.1~abc", "gw-1~a.b", "gw-1~a~b", "gw-1~a b", "gw-1~é",
            "gw-1~12345678901234567",
        ])
    func badIncarnations(text: String) { #expect(Incarnation(text: text) == nil) }

    @Test("of a token's kind are random in all their characters")
    func randomTokens() {
        let tokens = (0..<200).map { _ in RandomToken.make(length: 12) }
        #expect(Set(tokens).count == 200 && tokens.allSatisfy { $0.utf8.count == 12 })
        #expect(Set(tokens.joined()) == Set("abcdefghijklmnopqrstuvwxyz0123456789"))
        #expect(RandomToken.make(length: 0).isEmpty)
    }

    @Test("are matched by sets of ASCII characters, to the last one")
    func sets() {
        let set = ASCIISet("\u{0}?@\u{7F}")
        for byte in 0...255 as ClosedRange<UInt8> { #expect(set.contains(byte) == [0, 63, 64, 127].contains(byte)) }
        #expect(
            set.matches("?@".utf8, lengths: 2...3) && !set.matches("?".utf8, lengths: 2...3)
                && !set.matches("?é".utf8, lengths: 2...3))
    }
}
