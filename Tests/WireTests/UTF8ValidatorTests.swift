import ApusTesting
import Testing
import Wire

@Suite("The UTF-8 validator")
struct UTF8ValidatorTests {
    /// How many bytes are taken before the validator refuses; nil when it takes all.
    private func refusedAt(_ bytes: [UInt8]) -> Int? {
        var validator = UTF8Validator()
        for (index, byte) in bytes.enumerated() {
            guard withUnsafeBytes(of: byte, { validator.consume($0) }) else { return index }
        }
        return nil
    }

    private func isValid(_ bytes: [UInt8]) -> Bool { String(validating: bytes, as: UTF8.self) != nil }

    @Test("takes every scalar, whole and in bytes, and nothing that is none")
    func scalars() {
        for value in (0...0x10FFFF as ClosedRange<UInt32>)
        where value % 61 == 0 || value & 0xFF <= 1 || value & 0xFF >= 0xFE {
            let isScalar = Unicode.Scalar(value) != nil
            let bytes = encoded(value)
            if UTF8Validator.isValid(bytes[...]) != isScalar { Issue.record("\(String(value, radix: 16))") }
            if (refusedAt(bytes) == nil) != isScalar { Issue.record("\(String(value, radix: 16)) in bytes") }
        }
    }

    /// The bytes that a number would have if every number could be encoded.
    private func encoded(_ value: UInt32) -> [UInt8] {
        switch value {
        case ..<0x80: [UInt8(value)]
        case ..<0x800: [0xC0 | UInt8(value >> 6), 0x80 | UInt8(value & 63)]
        case ..<0x10000: [0xE0 | UInt8(value >> 12), 0x80 | UInt8(value >> 6 & 63), 0x80 | UInt8(value & 63)]
        default:
            [
                0xF0 | UInt8(value >> 18), 0x80 | UInt8(value >> 12 & 63), 0x80 | UInt8(value >> 6 & 63),
                0x80 | UInt8(value & 63),
            ]
        }
    }

    @Test("agrees with the standard library on random bytes, however they are split")
    func random() {
        let seed = SeededGenerator.seed()
        var random = SeededGenerator(seed: seed)
        let hard: [UInt8] = [
            0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF,
        ]
        var valid = 0
        for round in 0..<20_000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes += Array("é雨😀".unicodeScalars.randomElement(using: &random)!.utf8)
                case 1: bytes += Array("ascii ascii ascii".utf8)
                case 2: bytes.append(hard.randomElement(using: &random)!)
                default: bytes.append(.random(in: 0...0x7F, using: &random))
                }
            }
            let expected = isValid(bytes)
            valid += expected ? 1 : 0
            let cut = Int.random(in: 0...bytes.count, using: &random)
            var validator = UTF8Validator()
            let inTwo =
                bytes[..<cut].withUnsafeBytes { validator.consume($0) }
                && bytes[cut...].withUnsafeBytes { validator.consume($0) }
                && validator.isComplete
            if UTF8Validator.isValid(bytes[...]) != expected || inTwo != expected {
                Issue.record("seed \(seed), round \(round): \(bytes) cut at \(cut)")
            }
        }
        #expect(valid > 2000 && valid < 18_000)
    }

    @Test("refuses at the first byte after which nothing could be valid, and not before")
    func failFast() {
        // All starts of a character with all second bytes that could matter: whatever is taken can be finished.
        for first in 0x7E...0xFF as ClosedRange<UInt8> {
            for second in 0x7E...0xC3 as ClosedRange<UInt8> {
                let bytes = [first, second]
                let endings: [[UInt8]] = [
                    [], [0x80], [0x80, 0x80], [0xA0, 0x80], [0x80, 0x80, 0x80], [0x90, 0x80, 0x80],
                ]
                let canBeFinished = endings.contains { isValid(bytes + $0) }
                if (refusedAt(bytes) == nil) != canBeFinished { Issue.record("\(bytes)") }
            }
        }
    }
}
