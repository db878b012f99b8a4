import Logging

/// `APUS_LOG_FORMAT`.
enum LogFormat: String, Sendable, CaseIterable {
    case json, text
}

enum LogHandlers {
    /// Sends every log line of the process to stderr in one format. Once per process.
    static func bootstrap(_ format: LogFormat, level: Logger.Level) {
        LoggingSystem.bootstrap { label in
            LineLogHandler(label: label, format: format, logLevel: level, write: LogSink.standardError)
        }
    }
}
