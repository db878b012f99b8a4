import Histogram

/// Latencies in microseconds, three significant digits, up to two minutes (HDR histogram).
struct LatencyHistogram: Sendable {
    private static let microsecondsMax: UInt64 = 120_000_000
    private(set) var counts = Histogram<UInt32>(
        highestTrackableValue: Self.microsecondsMax, numberOfSignificantValueDigits: .three)

    var isEmpty: Bool { counts.totalCount == 0 }

    mutating func record(nanoseconds: UInt64) {
        counts.record(min(max(nanoseconds / 1000, 1), Self.microsecondsMax))
    }

    mutating func add(_ other: LatencyHistogram) { counts.add(other.counts) }

    mutating func reset() { counts.reset() }

    /// Microseconds.
    func percentile(_ percentile: Double) -> UInt64 { counts.valueAtPercentile(percentile) }

    // MARK: Between processes

    /// What was counted, as `value:count value:count …`: most buckets are empty.
    var text: String {
        guard !isEmpty else { return "" }
        var out: [UInt8] = []
        for entry in counts.recordedValues() {
            if !out.isEmpty { out.append(UInt8(ascii: " ")) }
            Decimal.append(entry.value, to: &out)
            out.append(UInt8(ascii: ":"))
            Decimal.append(UInt64(entry.count), to: &out)
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// Adds what `text` says. - Returns: false when it is no such text.
    mutating func add(text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            let bytes = UnsafeRawBufferPointer(bytes)
            var at = 0
            while at < bytes.count {
                guard let value = Decimal.read(bytes, &at), at < bytes.count, bytes[at] == UInt8(ascii: ":") else {
                    return false
                }
                at += 1
                guard let count = Decimal.read(bytes, &at).flatMap({ UInt32(exactly: $0) }) else { return false }
                counts.record(min(value, Self.microsecondsMax), count: count)
                if at < bytes.count { at += 1 }
            }
            return true
        }
    }
}
