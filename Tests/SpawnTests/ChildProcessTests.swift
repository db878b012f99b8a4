import ApusTesting
import Foundation
import Spawn
import Testing

@Suite("Processes that this one starts")
struct ChildProcessTests {
    private func shell(_ script: String, environment: [String: String]? = nil, folder: String? = nil) async throws
        -> ChildProcess.Outcome
    {
        try await ChildProcess.outcome(of: "/bin/sh", ["-c", script], environment: environment, folder: folder)
    }

    @Test("What it prints and returns arrives, however much it is")
    func outcome() async throws {
        let outcome = try await shell("head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; echo end; exit 7")
        #expect(outcome.status == 7)
        #expect(outcome.output.utf8.count == 300_004 && outcome.output.hasSuffix("end\n"))
        #expect(outcome.error.utf8.count == 300_000)
    }

    @Test("It gets its arguments, environment and folder as they are, and nothing to read")
    func surroundings() async throws {
        let folder = try TestFolder.make("spawn")
        defer { try? FileManager.default.removeItem(at: folder) }
        let words = ["", "two words", "$HOME", "ü\n", "'\""]
        let outcome = try await ChildProcess.outcome(
            of: "/bin/sh",
            ["-c", #"for w; do printf '<%s>' "$w"; done; pwd; env | grep -c .; echo "$KEY"; cat"#, "sh"] + words,
            environment: ["KEY": "a=b c", "PATH": "/usr/bin:/bin"], folder: folder.path)
        let printed = words.map { "<\($0)>" }.joined()
        // The shell itself adds PWD.
        #expect(outcome.output == "\(printed)\(folder.resolvingSymlinksInPath().path)\n3\na=b c\n")
        #expect(outcome.status == 0 && outcome.error == "")
        #expect(try await shell("echo $PATH").output.contains("/bin"))
    }

    @Test("It reads what it is given to read")
    func input() async throws {
        let (toIt, fromIt) = (Pipe(), Pipe())
        let process = try ChildProcess.start(
            "/bin/cat", input: toIt.fileHandleForReading.fileDescriptor,
            output: fromIt.fileHandleForWriting.fileDescriptor)
        try toIt.fileHandleForReading.close()
        try fromIt.fileHandleForWriting.close()
        try toIt.fileHandleForWriting.write(contentsOf: Data("some lines\n".utf8))
        try toIt.fileHandleForWriting.close()
        #expect(try fromIt.fileHandleForReading.readToEnd() == Data("some lines\n".utf8))
        #expect(process.waitUntilExit() == 0)
    }

    /// Foundation's `Process` reads past a buffer here, and once took the whole test run with it; see `ChildProcess`.
    @Test("With more files open than one reading of /proc/self/fd gives, it starts and has none of them")
    func manyFiles() async throws {
        var files: [FileHandle] = []
        for _ in 0..<1500 { files.append(try FileHandle(forReadingFrom: URL(fileURLWithPath: "/dev/null"))) }
        defer { for file in files { try? file.close() } }
        // Not marked "close on exec": only the start of the process closes it.
        let leaky = dup(try #require(files.last).fileDescriptor)
        defer { close(leaky) }
        #expect(leaky > 1365)
        let outcome = try await shell("cd /proc/self/fd 2>/dev/null || cd /dev/fd; echo *")
        #expect(outcome.status == 0)
        // `*` is read by the shell through one more descriptor.
        #expect(["0 1 2\n", "0 1 2 3\n"].contains(outcome.output))
    }

    @Test("It takes signals that are blocked or ignored here")
    func signals() async throws {
        let before = Foundation.signal(SIGUSR1, SIG_IGN)
        defer { Foundation.signal(SIGUSR1, before) }
        #expect(try await shell("kill -USR1 $$; echo survived").status == 128 + SIGUSR1)
    }

    @Test("It runs until it is ended; its end is told as often as it is asked for")
    func signal() async throws {
        let process = try ChildProcess.start("/bin/sh", ["-c", "while :; do sleep 60; done"])
        #expect(process.isRunning && process.exitStatus == nil)
        process.signal(SIGKILL)
        try await eventually("it has ended") { !process.isRunning }
        #expect(process.waitUntilExit() == 128 + SIGKILL)
        #expect(process.exitStatus == 128 + SIGKILL)
        process.signal(SIGKILL)
    }

    @Test("Threads that wait for the same process all learn its end")
    func waiters() async throws {
        let process = try ChildProcess.start("/bin/sh", ["-c", "sleep 0.1; exit 3"])
        let ends = await withTaskGroup(of: Int32.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        Thread.detachNewThread { continuation.resume(returning: process.waitUntilExit()) }
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(ends == Array(repeating: 3, count: 8))
    }

    #if os(Linux)
        /// The kernel ties a process to the thread that starts it: one of the threads that tasks share may end at any time.
        @Test("One that ends with this process does not end with the thread that asked for it")
        func tied() async throws {
            let (toIt, fromIt) = (Pipe(), Pipe())
            let (input, output) = (
                toIt.fileHandleForReading.fileDescriptor, fromIt.fileHandleForWriting.fileDescriptor
            )
            let process: ChildProcess = try await withCheckedThrowingContinuation { continuation in
                Thread.detachNewThread {
                    continuation.resume(
                        with: Result {
                            try ChildProcess.startTied(by: "/usr/bin/setpriv", "/bin/cat", input: input, output: output)
                        })
                }
            }
            defer { process.signal(SIGKILL) }
            // Else the end of the process would not show. The other pipe keeps its reader: writing must not end the test.
            try fromIt.fileHandleForWriting.close()
            for number in 100..<300 {
                let line = Data("\(number)\n".utf8)
                try toIt.fileHandleForWriting.write(contentsOf: line)
                let answer = try fromIt.fileHandleForReading.read(upToCount: line.count)
                try #require(answer == line)
            }
            #expect(process.isRunning)
        }
    #endif

    @Test("What cannot be started is named, with the reason")
    func missing() async throws {
        let error = #expect(throws: SpawnError.self) { try ChildProcess.start("/nowhere/at-all", folder: "/tmp") }
        #expect(error?.description == "/nowhere/at-all cannot be started in /tmp: No such file or directory")
    }
}
