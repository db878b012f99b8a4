import Foundation

/// What people read: results on standard output, progress on standard error.
enum Terminal {
    static func write(_ text: String, to descriptor: Int32) {
        // Not through FileHandle: its write traps when the reader has gone.
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 {
                guard errno == EINTR || errno == EAGAIN else { return }
                continue
            }
            bytes = bytes.dropFirst(written)
        }
    }

    /// Text that replaces the `drawn` lines above the cursor by `lines`.
    static func redraw(_ lines: [String], over drawn: Int) -> String {
        var text = drawn > 0 ? "\u{1B}[\(drawn)A" : ""
        // Without line wrap a long line cannot put the count of lines wrong on a narrow terminal.
        text += "\u{1B}[?7l"
        for line in lines { text += "\r\u{1B}[2K\(line)\n" }
        // A block that was longer leaves nothing below.
        return text + "\u{1B}[J\u{1B}[?7h"
    }
}
