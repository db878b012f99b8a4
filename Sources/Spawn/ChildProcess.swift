import CSpawn
import Foundation
import Synchronization

/// A process that this one starts, signals and waits for. It has none of this process's files but those it is given.
///
/// Foundation's `Process` is not used anywhere (Tests/Tidy holds that): on Linux its `run`, up to Swift 6.3, copies 256
/// bytes from the name of each entry of `/proc/self/fd`, however short the entry is. With about 1,340 open files and
/// more, that reads past the buffer of the directory, and when the heap ends there the whole process dies of SIGSEGV in
/// memmove (swift-corelibs-foundation #5472). A test run has that many, and so has a load generator.
public final class ChildProcess: Sendable {
    public let identifier: Int32
    private let status = Mutex<Int32?>(nil)

    private init(_ identifier: Int32) { self.identifier = identifier }

    /// - Parameters:
    ///   - executable: A path.
    ///   - environment: All of its environment; nil for that of this process.
    ///   - folder: Where it begins; nil for the folder of this process.
    ///   - input: The descriptor of what becomes its standard input; nil is empty. It may be closed afterwards.
    ///   - output: The same for its standard output; nil throws it away.
    ///   - error: The same for its standard error.
    public static func start(
        _ executable: String, _ arguments: [String] = [], environment: [String: String]? = nil, folder: String? = nil,
        input: Int32? = nil, output: Int32? = nil, error: Int32? = nil
    ) throws(SpawnError) -> ChildProcess {
        let variables = (environment ?? ProcessInfo.processInfo.environment).map { "\($0.key)=\($0.value)" }
        let descriptors: [Int32] = [input ?? -1, output ?? -1, error ?? -1]
        var child: pid_t = 0
        // SAFETY: both arrays end with nil and live until the call has returned; the child has its own copy of memory.
        let code = withCStrings([executable] + arguments) { arguments in
            withCStrings(variables) { apus_spawn(&child, executable, arguments, $0, folder, descriptors) }
        }
        guard code == 0 else {
            let place = folder.map { " in \($0)" } ?? ""
            throw SpawnError("\(executable) cannot be started\(place): \(String(cString: strerror(code)))")
        }
        return ChildProcess(child)
    }

    public var isRunning: Bool { exitStatus == nil }

    /// As shells have it: what it returned, or 128 + the signal that ended it; nil while it runs.
    public var exitStatus: Int32? {
        // SAFETY: only under the lock is the child taken off the process table, so its number is no other's before.
        status.withLock { status in
            if status != nil { return status }
            var raw: Int32 = 0
            let found = waitpid(identifier, &raw, WNOHANG)
            // Somebody else took it, if it is no child of ours: then nobody knows its status.
            if found == -1, errno == ECHILD { status = 255 }
            if found == identifier { status = raw & 0x7F == 0 ? (raw >> 8) & 0xFF : 128 + (raw & 0x7F) }
            return status
        }
    }

    /// Sends a signal, unless it has ended.
    public func signal(_ number: Int32) {
        status.withLock { status in
            if status == nil { kill(identifier, number) }
        }
    }

    /// Blocks this thread until it has ended.
    @discardableResult
    public func waitUntilExit() -> Int32 {
        while true {
            if let exitStatus { return exitStatus }
            // Leaves it on the process table, where `exitStatus` takes it off.
            var info = siginfo_t()
            waitid(P_PID, id_t(identifier), &info, WEXITED | WNOWAIT)
        }
    }

    /// So that one which ended and was never asked after does not stay on the process table.
    deinit { _ = exitStatus }

    /// Calls `body` with C strings behind which stands nil.
    private static func withCStrings<Result>(
        _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
    ) -> Result {
        // SAFETY: each copy is freed once, after `body`, which does not keep it.
        let copies = texts.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies + [nil])
    }
}

/// Why a process was not started: which, where and why.
public struct SpawnError: Error, CustomStringConvertible {
    public let description: String
    init(_ description: String) { self.description = description }
}
