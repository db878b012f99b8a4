import ApusTesting
import Core
import NIOCore
import Testing
import Wire

/// `docs/vectors/ws-frames.json`.
@Suite("The frame vectors hold")
struct FrameVectorTests {
    struct Vector: Decodable, Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [Piece]
        var outputs: [Expected]

        var testDescription: String { name }
        var whole: [UInt8] { bytes.flatMap(\.bytes) }
    }

    /// A text in hex, or one so many times.
    struct Piece: Decodable, Sendable {
        var bytes: [UInt8]

        init(from decoder: any Decoder) throws {
            if let hex = try? decoder.singleValueContainer().decode(String.self) {
                bytes = try Hex.bytes(hex)
                return
            }
            let object = try decoder.container(keyedBy: Key.self)
            let part = try Hex.bytes(object.decode(String.self, forKey: .hex))
            bytes = try (0..<object.decode(Int.self, forKey: .times)).flatMap { _ in part }
        }

        enum Key: CodingKey { case hex, times }
    }

    struct Expected: Decodable, Sendable {
        var type: String
        var text: String?
        var `repeat`: String?
        var times: Int?
        var hex: String?
        var code: UInt16?
        var reason: String?

        var output: Heard {
            get throws {
                switch type {
                case "text": .text(Array((text ?? String(repeating: `repeat` ?? "", count: times ?? 0)).utf8))
                case "ping": .ping(try Hex.bytes(hex ?? ""))
                case "pong": .pong(try Hex.bytes(hex ?? ""))
                case "close": .close(code, Array((reason ?? "").utf8))
                case "failure": .failure(code ?? 0)
                default: throw TestFailure("unknown output \(type)")
                }
            }
        }
    }

    static let vectors = Result { try Vectors.load("ws-frames", as: Vector.self) }

    @Test("in one piece, byte by byte, and split in two anywhere", arguments: try vectors.get())
    func holds(_ vector: Vector) throws {
        let bytes = vector.whole
        let expected = try vector.outputs.map { try $0.output }
        #expect(Heard.from([bytes[...]]) == expected, "in one piece")
        #expect(Heard.from(bytes.indices.map { bytes[$0...$0] }) == expected, "byte by byte")
        for cut in bytes.indices where cut < 300 {
            #expect(Heard.from([bytes[..<cut], bytes[cut...]]) == expected, "split at \(cut)")
        }
    }

    @Test("and every code from 0 to 65535 may stand in a close frame, or not, as RFC 6455 §7.4 and its registry say")
    func codes() {
        for code in Array(0...5100) + stride(from: 5101, through: UInt16.max, by: 97) {
            let may = 1000...1003 ~= code || 1007...1014 ~= code || 3000...4999 ~= code
            let bytes = Hex.masked(0x88, [UInt8(code >> 8), UInt8(code & 0xFF)])
            if Heard.from([bytes[...]]) != [may ? .close(code, []) : .failure(1002)] { Issue.record("\(code)") }
        }
    }
}
