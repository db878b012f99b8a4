import CEvents

/// What the load generator writes into every payload: `"lt":"<run>.<stream>.<number>.<time>"`.
///
/// Whatever server carries the payload, the marker is found in the frame by these bytes, so verification and latency are
/// the same for all of them.
struct Marker: Equatable {
    /// Which run: events of an earlier run that are replayed do not count.
    var run: UInt32
    /// Whose numbers these are: the number of a session in the whole run (of a message: its author's), or of a topic.
    var stream: UInt32
    /// 1, 2, 3 … in its stream.
    var number: UInt32
    /// When it was meant to be sent, in nanoseconds of `Clock`.
    var time: UInt64

    private static let opening: [UInt8] = Array("\"lt\":\"".utf8)
    /// Bytes of a JSON object with the longest marker and an empty filling: payloads are at least as long.
    static let payloadBytesMin = 72

    /// Appends a JSON object of `bytes` bytes (or as many as it takes) with the marker.
    func append(to out: inout [UInt8], bytes: Int) {
        let start = out.count
        out.append(UInt8(ascii: "{"))
        out += Self.opening
        Decimal.append(UInt64(run), to: &out)
        out.append(UInt8(ascii: "."))
        Decimal.append(UInt64(stream), to: &out)
        out.append(UInt8(ascii: "."))
        Decimal.append(UInt64(number), to: &out)
        out.append(UInt8(ascii: "."))
        Decimal.append(time, to: &out)
        out += Self.filling
        let missing = bytes - (out.count - start) - 2
        if missing > 0 { out.append(contentsOf: repeatElement(UInt8(ascii: "x"), count: missing)) }
        out.append(UInt8(ascii: "\""))
        out.append(UInt8(ascii: "}"))
    }

    private static let filling: [UInt8] = Array("\",\"p\":\"".utf8)

    /// Finds the first marker at or after `start`. - Returns: It, and where to look for the next one.
    // SAFETY: all reads of `bytes` are inside this call and below its count.
    static func find(in bytes: UnsafeRawBufferPointer, from start: Int) -> (marker: Marker, end: Int)? {
        var start = start
        while start < bytes.count, let base = bytes.baseAddress {
            let found = apus_find(base + start, bytes.count - start, opening, opening.count)
            guard found >= 0 else { return nil }
            var at = start + found + opening.count
            start = at
            guard let run = Decimal.read(bytes, &at), Self.dot(bytes, &at), let stream = Decimal.read(bytes, &at),
                Self.dot(bytes, &at), let number = Decimal.read(bytes, &at), Self.dot(bytes, &at),
                let time = Decimal.read(bytes, &at)
            else { continue }
            let marker = Marker(
                run: UInt32(truncatingIfNeeded: run), stream: UInt32(truncatingIfNeeded: stream),
                number: UInt32(truncatingIfNeeded: number), time: time)
            return (marker, at)
        }
        return nil
    }

    // SAFETY: as `find`.
    private static func dot(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> Bool {
        guard at < bytes.count, bytes[at] == UInt8(ascii: ".") else { return false }
        at += 1
        return true
    }
}

/// Whole numbers as text, without a `String` for each.
enum Decimal {
    static func append(_ number: UInt64, to out: inout [UInt8]) {
        let start = out.count
        var rest = number
        repeat {
            out.append(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        out[start...].reverse()
    }

    /// Reads the digits at `at` and moves behind them; nil when there are none, or more than 19.
    // SAFETY: `bytes` is read inside this call only, below its count.
    static func read(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> UInt64? {
        let start = at
        var number: UInt64 = 0
        while at < bytes.count {
            let digit = bytes[at] &- UInt8(ascii: "0")
            guard digit < 10 else { break }
            number = number &* 10 &+ UInt64(digit)
            at += 1
        }
        return at > start && at - start < 20 ? number : nil
    }
}
