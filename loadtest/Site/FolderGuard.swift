import Foundation
import Spawn

/// Removes the folder of a site when this program has ended, however it ended. The kernel ends the site's processes then
/// (`ChildProcess.startTied`); their data, gigabytes of it in a large run, would stay.
final class FolderGuard: Sendable {
    private let process: ChildProcess
    /// Only this program has it: its end is this program's.
    private let end: FileHandle

    /// A moment later nobody writes there any more. Signals to the whole group are for this program, which takes its
    /// sites down itself.
    private static let script = #"trap "" INT TERM HUP; read -r line; sleep 1; rm -rf -- "$0""#

    init(_ folder: URL) throws {
        let pipe = Pipe()
        process = try ChildProcess.start(
            "/bin/sh", ["-c", Self.script, folder.path], input: pipe.fileHandleForReading.fileDescriptor)
        try pipe.fileHandleForReading.close()
        end = pipe.fileHandleForWriting
    }

    /// Its work was done.
    func stop() {
        process.signal(SIGKILL)
        process.waitUntilExit()
        try? end.close()
    }
}
