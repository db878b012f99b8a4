import ApusTesting
import Core
import Testing
import Wire

@Suite("JSON at random")
struct JSONFuzzTests {
    @Test("is read back as what was written, whatever the white space and the escapes")
    func roundTrip() throws {
        let seed = SeededGenerator.seed()
        var random = SeededGenerator(seed: seed)
        for round in 0..<1500 {
            let tree = JSONTree.random(&random)
            let text = tree.written(&random)
            let value = try? JSONValue.document(Array(text.utf8))
            #expect(value.map(JSONTree.init) == tree, "seed \(seed), round \(round): \(text)")
        }
    }

    @Test("and damaged is refused, or read without a crash to its last value")
    func damage() {
        let seed = SeededGenerator.seed()
        var random = SeededGenerator(seed: seed)
        let hard = Array("{}[]\",:\\u0-+.eE tfn\n".utf8) + [0, 0x1F, 0x80, 0xC3, 0xFF]
        var read = 0
        for _ in 0..<6000 {
            var bytes = Array(JSONTree.random(&random).written(&random).utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random) where !bytes.isEmpty {
                let at = Int.random(in: bytes.indices, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[at] = hard.randomElement(using: &random)!
                case 1: bytes.remove(at: at)
                default: bytes.insert(hard.randomElement(using: &random)!, at: at)
                }
            }
            _ = ClientRequest.parse(bytes)
            guard let value = try? JSONValue.document(bytes) else { continue }
            read += 1
            _ = JSONTree(value)
            #expect(String(validating: bytes, as: UTF8.self) != nil, "seed \(seed)")
        }
        #expect(read > 300)
    }

    @Test("written by the writer is read back as what was given")
    func writer() throws {
        let seed = SeededGenerator.seed()
        var random = SeededGenerator(seed: seed)
        for round in 0..<500 {
            let tree = JSONTree.random(&random)
            guard case .object(let members) = tree else { continue }
            let bytes = JSONWriter.object { writer in
                for (key, value) in members { writer.member(dynamic: key) { Self.write(value, &$0) } }
            }
            #expect(try JSONTree(JSONValue.document(bytes)) == tree, "seed \(seed), round \(round)")
        }
    }

    private static func write(_ tree: JSONTree, _ writer: inout JSONWriter) {
        switch tree {
        case .null: writer.element(Array("null".utf8))
        case .bool(let flag): writer.element(Array("\(flag)".utf8))
        case .integer(let number): writer.element(Array("\(number)".utf8))
        case .text(let text): writer.element(text: text)
        case .array(let elements): writer.array { writer in elements.forEach { write($0, &writer) } }
        case .object(let members):
            writer.object { writer in for (key, value) in members { writer.member(dynamic: key) { write(value, &$0) } }
            }
        }
    }
}
