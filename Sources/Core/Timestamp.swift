/// Points in time as text (RFC 3339).
public enum Timestamp {
    /// Milliseconds since 1970; nil for what is no RFC 3339 date-time. Finer fractions are cut off, a leap second counts
    /// as the second after.
    public static func milliseconds(rfc3339 text: String) -> Int64? {
        var bytes = Array(text.utf8)[...]
        guard let year = digits(&bytes, 4), skip(&bytes, "-"), let month = digits(&bytes, 2), skip(&bytes, "-"),
            let day = digits(&bytes, 2), skip(&bytes, "Tt "), let hour = digits(&bytes, 2), skip(&bytes, ":"),
            let minute = digits(&bytes, 2), skip(&bytes, ":"), let second = digits(&bytes, 2)
        else { return nil }
        var fraction: Int64 = 0
        if skip(&bytes, ".") {
            var scale: Int64 = 100
            guard bytes.first.map({ 0x30...0x39 ~= $0 }) == true else { return nil }
            while let byte = bytes.first, 0x30...0x39 ~= byte {
                fraction += Int64(byte - 0x30) * scale
                scale /= 10
                bytes.removeFirst()
            }
        }
        guard let offset = zone(&bytes), bytes.isEmpty, 1...12 ~= month, 1...daysIn(month, year) ~= day,
            hour < 24, minute < 60, second <= 60
        else { return nil }
        let seconds = daysSinceEpoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
        return seconds * 1000 + fraction
    }

    private static func zone(_ bytes: inout ArraySlice<UInt8>) -> Int64? {
        if skip(&bytes, "Zz") { return 0 }
        let sign: Int64
        if skip(&bytes, "+") { sign = 1 } else if skip(&bytes, "-") { sign = -1 } else { return nil }
        guard let hours = digits(&bytes, 2), skip(&bytes, ":"), let minutes = digits(&bytes, 2), hours < 24,
            minutes < 60
        else { return nil }
        return sign * (hours * 3600 + minutes * 60)
    }

    private static func digits(_ bytes: inout ArraySlice<UInt8>, _ count: Int) -> Int64? {
        guard bytes.count >= count, bytes.prefix(count).allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count).reduce(0) { $0 * 10 + Int64($1 - 0x30) }
    }

    private static func skip(_ bytes: inout ArraySlice<UInt8>, _ any: String) -> Bool {
        guard let first = bytes.first, any.utf8.contains(first) else { return false }
        bytes = bytes.dropFirst()
        return true
    }

    private static func daysIn(_ month: Int64, _ year: Int64) -> Int64 {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        default: 31
        }
    }

    /// Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin in March.
    private static func daysSinceEpoch(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let y = month <= 2 ? year - 1 : year
        // Rounded down: January and February of the year 0 belong to the era before.
        let era = (y >= 0 ? y : y - 399) / 400
        let yearOfEra = y - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
