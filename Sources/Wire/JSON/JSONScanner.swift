import Core

/// Walks over JSON (RFC 8259) without building anything.
///
/// `validate` looks at every byte once; after that, the walking functions trust the bytes.
struct JSONScanner {
    private let bytes: ArraySlice<UInt8>
    private var at: Int

    /// For bytes that `validate` has accepted.
    init(validated bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    /// Checks a whole document and gives its one value.
    static func validate(_ bytes: ArraySlice<UInt8>, depthMax: Int) throws(JSONError) -> JSONValue {
        var scanner = JSONScanner(validated: bytes)
        guard UTF8Validator.isValid(bytes) else { throw JSONError("invalid UTF-8", at: 0) }
        scanner.skipSpace()
        let value = try scanner.checkedValue(depthLeft: depthMax)
        try scanner.checkEnd()
        return value
    }

    /// Checks a whole document that is an object, and gives its members; each byte is looked at once.
    static func validateObject(
        _ bytes: ArraySlice<UInt8>, depthMax: Int
    ) throws(JSONError) -> [(key: String, value: JSONValue)] {
        var scanner = JSONScanner(validated: bytes)
        scanner.skipSpace()
        guard scanner.current == UInt8(ascii: "{"), depthMax > 0 else {
            _ = try validate(bytes, depthMax: depthMax)
            throw JSONError("not an object", at: 0)
        }
        guard UTF8Validator.isValid(bytes) else { throw JSONError("invalid UTF-8", at: 0) }
        var members: [(key: String, value: JSONValue)] = []
        // What most requests have.
        members.reserveCapacity(8)
        try scanner.checkObject(depthLeft: depthMax - 1) { key, kind, value in
            let name = JSONValue(kind: .string, bytes: bytes[key]).string ?? ""
            members.append((name, JSONValue(kind: kind, bytes: bytes[value])))
        }
        try scanner.checkEnd()
        return members
    }

    // MARK: Checking

    private func error(_ message: String) -> JSONError { JSONError(message, at: at - bytes.startIndex) }

    private var current: UInt8? { at < bytes.endIndex ? bytes[at] : nil }

    private mutating func skipSpace() {
        while at < bytes.endIndex, case let byte = bytes[at],
            byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
        {
            at += 1
        }
    }

    private mutating func expect(_ byte: UInt8, _ what: String) throws(JSONError) {
        guard current == byte else { throw error("expected \(what)") }
        at += 1
    }

    private mutating func checkEnd() throws(JSONError) {
        skipSpace()
        guard at == bytes.endIndex else { throw error("something follows the value") }
    }

    private mutating func checkedValue(depthLeft: Int) throws(JSONError) -> JSONValue {
        let start = at
        let kind = try checkValue(depthLeft: depthLeft)
        return JSONValue(kind: kind, bytes: bytes[start..<at])
    }

    private mutating func checkValue(depthLeft: Int) throws(JSONError) -> JSONValue.Kind {
        switch current {
        case UInt8(ascii: "{"):
            guard depthLeft > 0 else { throw error("nested too deep") }
            try checkObject(depthLeft: depthLeft - 1) { _, _, _ in }
            return .object
        case UInt8(ascii: "["):
            guard depthLeft > 0 else { throw error("nested too deep") }
            try checkArray(depthLeft: depthLeft - 1)
            return .array
        case UInt8(ascii: "\""):
            try checkString()
            return .string
        case UInt8(ascii: "t"):
            try checkLiteral("true")
            return .bool
        case UInt8(ascii: "f"):
            try checkLiteral("false")
            return .bool
        case UInt8(ascii: "n"):
            try checkLiteral("null")
            return .null
        case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")):
            try checkNumber()
            return .number
        case nil: throw error("unexpected end")
        default: throw error("expected a value")
        }
    }

    /// - Parameter member: Is told where each name and value stand.
    private mutating func checkObject(
        depthLeft: Int, _ member: (_ key: Range<Int>, JSONValue.Kind, _ value: Range<Int>) -> Void
    ) throws(JSONError) {
        at += 1
        skipSpace()
        if current == UInt8(ascii: "}") {
            at += 1
            return
        }
        while true {
            guard current == UInt8(ascii: "\"") else { throw error("expected a member's name") }
            let nameStart = at
            try checkString()
            let name = nameStart..<at
            skipSpace()
            try expect(UInt8(ascii: ":"), "':'")
            skipSpace()
            let valueStart = at
            let kind = try checkValue(depthLeft: depthLeft)
            member(name, kind, valueStart..<at)
            skipSpace()
            if current == UInt8(ascii: ",") {
                at += 1
                skipSpace()
                continue
            }
            return try expect(UInt8(ascii: "}"), "',' or '}'")
        }
    }

    private mutating func checkArray(depthLeft: Int) throws(JSONError) {
        at += 1
        skipSpace()
        if current == UInt8(ascii: "]") {
            at += 1
            return
        }
        while true {
            _ = try checkValue(depthLeft: depthLeft)
            skipSpace()
            if current == UInt8(ascii: ",") {
                at += 1
                skipSpace()
                continue
            }
            return try expect(UInt8(ascii: "]"), "',' or ']'")
        }
    }

    private mutating func checkString() throws(JSONError) {
        at += 1
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                at += 1
                return
            case UInt8(ascii: "\\"):
                at += 1
                try checkEscape()
            case 0..<0x20: throw error("control character in a string")
            default: at += 1
            }
        }
        throw error("string without end")
    }

    private mutating func checkEscape() throws(JSONError) {
        switch current {
        case UInt8(ascii: "u"):
            at += 1
            let unit = try checkHex4()
            guard 0xD800...0xDFFF ~= unit else { return }
            // RFC 8259 §8.2 leaves lone surrogates open; they cannot become UTF-8, so they are refused here.
            guard unit < 0xDC00, current == UInt8(ascii: "\\") else { throw error("lone surrogate") }
            at += 1
            try expect(UInt8(ascii: "u"), "a low surrogate")
            guard 0xDC00...0xDFFF ~= (try checkHex4()) else { throw error("lone surrogate") }
        case .some(let byte) where "\"\\/bfnrt".utf8.contains(byte): at += 1
        default: throw error("unknown escape")
        }
    }

    private mutating func checkHex4() throws(JSONError) -> UInt32 {
        var unit: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = current, let digit = byte.hexDigitValue else { throw error("expected four hex digits") }
            unit = unit << 4 | UInt32(digit)
            at += 1
        }
        return unit
    }

    private mutating func checkLiteral(_ literal: StaticString) throws(JSONError) {
        for i in 0..<literal.utf8CodeUnitCount {
            guard current == literal.utf8Start[i] else { throw error("expected '\(literal)'") }
            at += 1
        }
    }

    private mutating func checkNumber() throws(JSONError) {
        if current == UInt8(ascii: "-") { at += 1 }
        if current == UInt8(ascii: "0") { at += 1 } else { try checkDigits() }
        if current == UInt8(ascii: ".") {
            at += 1
            try checkDigits()
        }
        if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
            at += 1
            if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { at += 1 }
            try checkDigits()
        }
    }

    private mutating func checkDigits() throws(JSONError) {
        let start = at
        while let byte = current, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { at += 1 }
        guard at > start else { throw error("expected a digit") }
    }

    // MARK: Walking over validated bytes

    /// The members of the object that begins here.
    mutating func members() -> [(key: String, value: JSONValue)] {
        var members: [(key: String, value: JSONValue)] = []
        at += 1
        skipSpace()
        while current != UInt8(ascii: "}") {
            let key = walkValue().string ?? ""
            skipSpace()
            at += 1
            skipSpace()
            members.append((key, walkValue()))
            skipSpace()
            if current == UInt8(ascii: ",") {
                at += 1
                skipSpace()
            }
        }
        return members
    }

    /// The elements of the array that begins here.
    mutating func elements() -> [JSONValue] {
        var elements: [JSONValue] = []
        at += 1
        skipSpace()
        while current != UInt8(ascii: "]") {
            elements.append(walkValue())
            skipSpace()
            if current == UInt8(ascii: ",") {
                at += 1
                skipSpace()
            }
        }
        return elements
    }

    private mutating func walkValue() -> JSONValue {
        let start = at
        let kind: JSONValue.Kind
        switch bytes[at] {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            kind = bytes[at] == UInt8(ascii: "{") ? .object : .array
            walkNested()
        case UInt8(ascii: "\""):
            kind = .string
            walkString()
        case UInt8(ascii: "t"), UInt8(ascii: "f"):
            kind = .bool
            walkPlain()
        case UInt8(ascii: "n"):
            kind = .null
            walkPlain()
        default:
            kind = .number
            walkPlain()
        }
        return JSONValue(kind: kind, bytes: bytes[start..<at])
    }

    private mutating func walkNested() {
        var depth = 0
        repeat {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                walkString()
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
            at += 1
        } while depth > 0
    }

    private mutating func walkString() {
        at += 1
        while bytes[at] != UInt8(ascii: "\"") { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
        at += 1
    }

    private mutating func walkPlain() {
        while at < bytes.endIndex {
            switch bytes[at] {
            case UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), 0x20, 0x0A, 0x0D, 0x09: return
            default: at += 1
            }
        }
    }
}
