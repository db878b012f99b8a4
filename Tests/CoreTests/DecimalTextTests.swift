import Core
import Testing

@Suite("Decimal digits")
struct DecimalTextTests {
    private func text(_ number: some FixedWidthInteger) -> String {
        DecimalText.with(number) { String(decoding: $0, as: UTF8.self) }
    }

    private func read(_ text: String) -> Int64? { DecimalText.read(text.utf8) }

    @Test("Numbers are written as Swift writes them", arguments: [0, 1, -1, 9, 10, 1_700_000_000_000, .max, .min])
    func writes(_ number: Int64) { #expect(text(number) == String(number)) }

    @Test("Numbers of other widths are, too")
    func widths() {
        #expect(text(UInt64.max) == "18446744073709551615")
        #expect(text(UInt8(200)) == "200" && text(Int8.min) == "-128")
    }

    @Test("What was written is read again", arguments: [0, 1, -1, 42, 1 << 53, .max, .min])
    func roundTrip(_ number: Int64) { #expect(read(String(number)) == number) }

    @Test(
        "What is no number, or too large a one, is none",
        arguments: [
            "", "-", "+1", " 1", "1 ", "1.0", "1e3", "x", "--1", "9223372036854775808", "-9223372036854775809",
            "99999999999999999999999",
        ])
    func refuses(_ text: String) { #expect(read(text) == nil) }
}
