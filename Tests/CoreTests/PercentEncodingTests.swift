import Core
import Testing

@Suite("Percent-encoding is read strictly")
struct PercentEncodingTests {
    @Test(
        "What is encoded is decoded, once, and everything else stays as it is",
        arguments: [
            ("", ""), ("plain+text", "plain+text"), ("a%20b%2F%2f", "a b//"), ("%25%34%31", "%41"), ("%e2%82%AC", "€"),
            ("é", "é"), ("%00", "\u{0}"),
        ])
    func decoded(_ text: String, _ expected: String) {
        #expect(PercentEncoding.decoded(text) == expected)
        #expect(PercentEncoding.decoded(("x" + text).dropFirst()) == expected)
    }

    @Test(
        "What is cut off, no hexadecimal or no UTF-8 is refused",
        arguments: ["%", "%4", "x%", "%zz", "%+5", "%-1", "% 5", "%%20", "%C0%A0", "%FF", "%E2%82", "%ED%A0%80"])
    func refused(_ text: String) { #expect(PercentEncoding.decoded(text) == nil) }
}
