import ArgumentParser

/// What the numbers of options may be. One that is no number, or that no run could do, is refused before anything starts:
/// as a whole number of nanoseconds it would end the program, with servers running.
enum OptionRange {
    /// At most a week.
    static let seconds = 0.001...604_800.0
    /// More than any machine does.
    static let perSecond = 0.001...100_000_000.0
    static let sessions = 1...10_000_000

    static func check(_ option: String, _ value: Double, _ range: ClosedRange<Double>) throws {
        guard range.contains(value) else {
            throw ValidationError(
                "\(option) must be from \(text(range.lowerBound)) to \(text(range.upperBound)), not \(text(value))")
        }
    }

    static func check(_ option: String, _ value: Int, _ range: ClosedRange<Int>) throws {
        guard range.contains(value) else {
            throw ValidationError("\(option) must be from \(range.lowerBound) to \(range.upperBound), not \(value)")
        }
    }

    /// As one would write it: `10`, not `10.0`.
    private static func text(_ value: Double) -> String { Int(exactly: value).map { "\($0)" } ?? "\(value)" }
}
