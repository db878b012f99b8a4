import ApusTesting
import Wire

/// A JSON document as a tree, to compare with and to write in a thousand ways.
indirect enum JSONTree: Hashable, Sendable, Decodable {
    case null
    case bool(Bool)
    case integer(Int64)
    case text(String)
    case array([JSONTree])
    case object([String: JSONTree])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let flag = try? value.decode(Bool.self) {
            self = .bool(flag)
        } else if let number = try? value.decode(Int64.self) {
            self = .integer(number)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else if let array = try? value.decode([JSONTree].self) {
            self = .array(array)
        } else {
            self = .object(try value.decode([String: JSONTree].self))
        }
    }

    /// Reads a scanned value; a number that is no integer is 0.
    init(_ value: JSONValue) {
        switch value.kind {
        case .null: self = .null
        case .bool: self = .bool(value.bool ?? false)
        case .number: self = .integer(value.integer ?? 0)
        case .string: self = .text(value.string ?? "")
        case .array: self = .array((value.array ?? []).map(JSONTree.init))
        case .object:
            self = .object(
                Dictionary(
                    (value.object?.members ?? []).map { ($0.key, JSONTree($0.value)) },
                    uniquingKeysWith: { first, _ in first }))
        }
    }

    static func random(_ random: inout SeededGenerator, depth: Int = 4) -> JSONTree {
        switch Int.random(in: 0..<(depth > 0 ? 6 : 4), using: &random) {
        case 0: return .null
        case 1: return .bool(.random(using: &random))
        case 2:
            return .integer(
                [0, -1, 7, .max, .min, .random(in: -999...999, using: &random)].randomElement(using: &random)!)
        case 3: return .text(randomText(&random))
        case 4:
            return .array((0..<Int.random(in: 0...4, using: &random)).map { _ in .random(&random, depth: depth - 1) })
        default:
            var members: [String: JSONTree] = [:]
            for i in 0..<Int.random(in: 0...4, using: &random) {
                members["\(i)" + randomText(&random)] = .random(&random, depth: depth - 1)
            }
            return .object(members)
        }
    }

    private static func randomText(_ random: inout SeededGenerator) -> String {
        let pool = Array("ab \"\\/\n\t\u{8}\u{0}\u{1F}é雨😀[]{},:\u{7F}".unicodeScalars)
        var text = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...6, using: &random) { text.append(pool.randomElement(using: &random)!) }
        return String(text)
    }

    /// Some JSON text of this tree, with white space and escapes as they fall.
    func written(_ random: inout SeededGenerator) -> String {
        func space() -> String { ["", "", "", " ", "\n", "\t\r "].randomElement(using: &random)! }
        switch self {
        case .null: return "null"
        case .bool(let flag): return "\(flag)"
        case .integer(let number): return "\(number)"
        case .text(let text): return Self.quoted(text, &random)
        case .array(let elements):
            let inner = elements.map { space() + $0.written(&random) + space() }.joined(separator: ",")
            return "[" + (elements.isEmpty ? space() : inner) + "]"
        case .object(let members):
            let inner = members.sorted { $0.key < $1.key }.map {
                space() + Self.quoted($0.key, &random) + space() + ":" + space() + $0.value.written(&random) + space()
            }
            return "{" + (members.isEmpty ? space() : inner.joined(separator: ",")) + "}"
        }
    }

    private static func quoted(_ text: String, _ random: inout SeededGenerator) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            let mustEscape = scalar.value < 0x20 || scalar == "\"" || scalar == "\\"
            if mustEscape || Int.random(in: 0..<5, using: &random) == 0 {
                for unit in String(scalar).utf16 {
                    let hex = String(unit, radix: 16, uppercase: .random(using: &random))
                    out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
                }
            } else {
                out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
