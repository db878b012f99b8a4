/// Whole numbers as decimal digits, without a string for each.
public enum DecimalText {
    /// Calls `body` with the digits, a minus sign before them for numbers below 0.
    @inlinable
    public static func with<Result>(
        _ number: some FixedWidthInteger, _ body: (UnsafeBufferPointer<UInt8>) -> Result
    ) -> Result {
        // 64 bits have 20 digits at most, of which a sign takes the place of one.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var left = UInt64(number.magnitude)
            var start = digits.count
            repeat {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: left % 10)
                left /= 10
            } while left > 0
            if number < 0 {
                start -= 1
                digits[start] = UInt8(ascii: "-")
            }
            return body(UnsafeBufferPointer(rebasing: digits[start...]))
        }
    }

    /// Reads what is digits alone, a minus sign before them allowed; nil for anything else and for what is too large.
    @inlinable
    public static func read(_ digits: some Collection<UInt8>) -> Int64? {
        var rest = digits[...]
        let isNegative = rest.first == UInt8(ascii: "-")
        if isNegative { rest = rest.dropFirst() }
        guard !rest.isEmpty else { return nil }
        var number: Int64 = 0
        for digit in rest {
            guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
            let (times, isOver) = number.multipliedReportingOverflow(by: 10)
            let (sum, isOverToo) = times.subtractingReportingOverflow(Int64(digit - UInt8(ascii: "0")))
            guard !isOver, !isOverToo else { return nil }
            number = sum
        }
        // Counted downwards: the least number has no positive of its own.
        guard !isNegative else { return number }
        return number == .min ? nil : -number
    }
}
