import ApusTesting
import Core
import Testing
import Wire

@Suite("The JSON scanner")
struct JSONScannerTests {
    private func value(_ text: String) -> JSONValue? { try? JSONValue.document(Array(text.utf8)) }

    static let accepted = [
        "{}", "[]", "0", "-0", "1.5", "-1.5e-3", "1E+2", "1e0", "0e0", "0.0", "\"\"", "\"\\u0000\"", "\"\\/\"", "true",
        "false", "null",
        " \t\r\n1 \t\r\n", "[1 , 2\n]", "{\"\":0}", "{\"a\" : {\"b\":[null,{}]} }", "\"\u{7F}\u{2028}\u{FFFF}\"",
        "\"\\ud83d\\ude00\"",
        "\"\\uD83D\\uDE00\"", "1e400", "-1e-400", "123456789012345678901234567890", "{\"a\":1,\"A\":2}", "[[],[[]],{}]",
        "\"\\\\\"",
        "\"\\\"\"", "\"é\"",
    ]

    static let rejected = [
        "", " ", "{", "}", "[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
        "{,}", "{\"a\" 1}",
        "{a:1}", "{'a':1}", "{1:1}", "{null:1}", "[1}", "{\"a\":1]", "1 2", "{}{}", "{} x", "[]]", "\"", "\"a",
        "\"\\\"", "\"\\x\"",
        "\"\\u12\"", "\"\\u12G4\"", "\"\\U0041\"", "\"\\ud83d\"", "\"\\ud83dx\"", "\"\\ud83d\\n\"",
        "\"\\ud83d\\u0041\"", "\"\\ude00\"",
        "\"\\ud83d\\ud83d\"", "\"\\ude00\\ud83d\"", "\"\t\"", "\"\n\"", "\"\u{0}\"", "\"\u{1F}\"", "01", "-", "-01",
        "+1", ".5", "1.", "1.e1", "1e", "1e+", "1e1.5",
        "0x1", "1_000", "NaN", "Infinity", "-Infinity", "nan", "True", "tru", "truee", "nul", "undefined", "\u{FEFF}1",
        "\u{A0}1", "1\u{A0}", "\u{B}1",
        "/*c*/1", "1//c", "#1", "1;", "--1", "1-", "\u{0}", "1\u{0}", "\"a\"\"b\"", "[\"a\":1]", "{\"a\":1 \"b\":2}",
        "{\"a\":1,,\"b\":2}",
    ]

    @Test("takes what RFC 8259 calls JSON", arguments: accepted)
    func accepts(text: String) { #expect(value(text) != nil) }

    @Test("refuses what it does not", arguments: rejected)
    func rejects(text: String) { #expect(value(text) == nil) }

    @Test("refuses bytes that are no UTF-8, in strings and outside")
    func utf8() {
        for bytes in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE9]] as [[UInt8]] {
            let quoted: [UInt8] = [0x22] + bytes + [0x22]
            #expect((try? JSONValue.document(quoted)) == nil)
            #expect((try? JSONValue.document(bytes)) == nil)
        }
    }

    @Test("counts nesting: 32 deep is taken, 33 is not, a wide document is not a deep one")
    func depth() {
        func nested(_ depth: Int, _ open: String, _ inner: String, _ close: String) -> String {
            String(repeating: open, count: depth) + inner + String(repeating: close, count: depth)
        }
        #expect(value(nested(32, "[", "", "]")) != nil && value(nested(33, "[", "", "]")) == nil)
        #expect(value(nested(32, "{\"a\":", "1", "}")) != nil && value(nested(33, "{\"a\":", "1", "}")) == nil)
        #expect(value(nested(100_000, "[", "", "]")) == nil)
        #expect(value("[" + String(repeating: "[],", count: 500) + "[]]") != nil)
        #expect((try? JSONValue.document(Array("[[]]".utf8), depthMax: 1)) == nil)
    }

    @Test("says what is wrong and at which byte")
    func errors() {
        #expect(throws: JSONError.self) { try JSONObject(Array("[]".utf8)) }
        do {
            _ = try JSONValue.document(Array("{\"a\":1,}".utf8))
            Issue.record("was taken")
        } catch {
            #expect(error.offset == 7)
            #expect(error.description == "expected a member's name at byte 7")
        }
    }

    @Test("wants one object where one is wanted, and no member of it twice")
    func objects() throws {
        func object(_ text: String) throws -> JSONObject { try JSONObject(Array(text.utf8)) }
        for text in ["[]", "1", "\"a\"", "null", "{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}", "{\"\":1,\"\":2}"] {
            #expect(throws: JSONError.self, "\(text)") { try object(text) }
        }
        // Nested objects belong to whoever reads them.
        #expect(try object("{\"x\":{\"a\":1,\"a\":2}}")["x"]?.object?.members.count == 2)
    }

    @Test("gives values as they are")
    func reading() throws {
        let text =
            #" { "s" : "a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é" , "i":-42,"f":1.5,"t":true,"n":null,"o":{ "x" :1},"a":[1, "]}" ,{}],"e":"" } "#
        let object = try JSONObject(Array(text.utf8))
        #expect(object.members.map(\.key) == ["s", "i", "f", "t", "n", "o", "a", "e"])
        #expect(object["s"]?.string == "a\"\\/\u{8}\u{C}\n\r\té😀é" && object["e"]?.string == "")
        #expect(object["i"]?.integer == -42 && object["i"]?.string == nil && object["i"]?.bool == nil)
        #expect(object["f"]?.kind == .number && object["f"]?.integer == nil)
        #expect(
            object["t"]?.bool == true && object["n"]?.isNull == true && object.present("n") == nil && object["q"] == nil
        )
        #expect(object["o"].map { String(decoding: $0.bytes, as: UTF8.self) } == "{ \"x\" :1}")
        let elements = try #require(object["a"]?.array)
        #expect(elements.map { String(decoding: $0.bytes, as: UTF8.self) } == ["1", "\"]}\"", "{}"])
        #expect(object["a"]?.object == nil && object["o"]?.array == nil)
    }

    @Test(
        "takes an integer only where it is one of 64 bits, without point or exponent",
        arguments: [
            ("0", 0), ("-0", 0), ("9223372036854775807", .max), ("-9223372036854775808", .min),
            ("9223372036854775808", nil),
            ("1.0", nil), ("1e2", nil), ("123456789012345678901", nil),
        ] as [(String, Int64?)])
    func integers(text: String, expected: Int64?) { #expect(value(text)?.integer == expected) }

    @Test("reads the bytes of a slice as those of an array")
    func slices() throws {
        let bytes = Array("xx{\"a\":[1,{\"b\":\"c\"}]}yy".utf8)
        let object = try JSONObject(bytes[2..<bytes.count - 2])
        #expect(object["a"]?.array?[1].object?["b"]?.string == "c")
        do {
            _ = try JSONObject(bytes[1...])
            Issue.record("was taken")
        } catch { #expect(error.offset == 0) }
    }
}
