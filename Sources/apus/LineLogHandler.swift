import Core
import Foundation
import Logging
import Wire

/// Where log lines go. One call is one line; lines of different threads do not mix.
enum LogSink {
    /// A single `write`, without a buffer of our own: nothing is lost when the process dies.
    static let standardError: @Sendable ([UInt8]) -> Void = { line in
        // SAFETY: the pointer is used within the closure only, with the length of its array.
        line.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let written = Foundation.write(
                    STDERR_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if written < 0, errno != EINTR { return }
                rest = rest.dropFirst(max(0, written))
            }
        }
    }
}

/// Writes each event as one line, in the form of `format`.
struct LineLogHandler: LogHandler {
    let label: String
    let format: LogFormat
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    let write: @Sendable ([UInt8]) -> Void

    init(label: String, format: LogFormat, logLevel: Logger.Level, write: @escaping @Sendable ([UInt8]) -> Void) {
        self.label = label
        self.format = format
        self.logLevel = logLevel
        self.write = write
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let pairs = LogMetadata.flat(metadata, metadataProvider?.get(), event.metadata)
        let time = LogTime.rfc3339(SystemTime().wallMilliseconds())
        switch format {
        case .json: write(json(event, time, pairs))
        case .text: write(text(event, time, pairs))
        }
    }

    /// One JSON object: `time`, `level`, `msg`, `logger`, and the metadata beside them.
    ///
    /// Metadata is flattened: `{"a": {"b": 1}}` becomes `a.b`. A key that one of the fixed members has gets a `_` behind it.
    private func json(_ event: LogEvent, _ time: String, _ pairs: [(String, String)]) -> [UInt8] {
        var line = Array("{\"time\":\"\(time)\",\"level\":\"\(event.level.rawValue)\",\"msg\":".utf8)
        JSONText.append("\(event.message)", to: &line)
        line += ",\"logger\":".utf8
        JSONText.append(label, to: &line)
        for (key, value) in pairs {
            line.append(UInt8(ascii: ","))
            JSONText.append(Self.fixed.contains(key) ? key + "_" : key, to: &line)
            line.append(UInt8(ascii: ":"))
            JSONText.append(value, to: &line)
        }
        line += "}\n".utf8
        return line
    }

    private static let fixed: Set = ["time", "level", "msg", "logger"]

    /// For people at a terminal: `12:34:56.789 info    message  key=value`.
    private func text(_ event: LogEvent, _ time: String, _ pairs: [(String, String)]) -> [UInt8] {
        let level = event.level.rawValue
        let words = pairs.map { key, value in
            " \(key)=\(value.utf8.contains { $0 <= 0x20 || $0 == 0x22 } ? JSONText.quoted(value) : value)"
        }
        // Control characters of strangers must not reach a terminal.
        let message = String("\(event.message)".map { $0.isASCII && ($0.asciiValue ?? 0) < 0x20 ? " " : $0 })
        let space = String(repeating: " ", count: max(1, 9 - level.count))
        return Array("\(time.dropFirst(11).dropLast()) \(level)\(space)\(message)\(words.joined())\n".utf8)
    }
}

/// Time as it stands in log lines.
enum LogTime {
    /// RFC 3339 in UTC with milliseconds: `2026-11-23T07:00:00.123Z`.
    static func rfc3339(_ milliseconds: Int64) -> String {
        var seconds = time_t(milliseconds / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func digits(_ value: some BinaryInteger, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        return "\(digits(parts.tm_year + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
            + "T\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2))"
            + ".\(digits(milliseconds % 1000, 3))Z"
    }
}

enum LogMetadata {
    /// All metadata of a line, the nearest winning, flat and in the order of the keys.
    static func flat(_ layers: Logger.Metadata?...) -> [(String, String)] {
        var merged: Logger.Metadata = [:]
        for case let layer? in layers { merged.merge(layer) { _, nearer in nearer } }
        var out: [(String, String)] = []
        for (key, value) in merged.sorted(by: { $0.key < $1.key }) { append(key, value, to: &out) }
        return out
    }

    private static func append(_ key: String, _ value: Logger.Metadata.Value, to out: inout [(String, String)]) {
        switch value {
        case .string(let text): out.append((key, text))
        case .stringConvertible(let value): out.append((key, "\(value)"))
        case .dictionary(let members):
            for (name, member) in members.sorted(by: { $0.key < $1.key }) { append("\(key).\(name)", member, to: &out) }
        case .array(let elements):
            for (index, element) in elements.enumerated() { append("\(key).\(index)", element, to: &out) }
        }
    }
}
