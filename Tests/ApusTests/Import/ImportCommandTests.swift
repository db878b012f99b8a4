import ApusTesting
import Foundation
import Testing

@testable import apus

/// A run of `apus import paopao` to its end.
struct ImportOutcome {
    let status: Int32
    /// Both outputs.
    let output: String

    static func run(_ arguments: String..., environment: [String: String] = [:]) async throws -> ImportOutcome {
        let folder = try TestFolder.make("import")
        let process = ServerProcess(
            "import", executable: try ApusProcess.executable(), arguments: ["import", "paopao"] + arguments,
            folder: folder, environment: environment)
        defer { process.stop() }
        try process.start()
        let status = await process.waitForExit()
        return ImportOutcome(status: status, output: process.output)
    }

    /// A figure of the summary.
    func figure(_ name: String) -> Int? {
        for line in output.split(separator: "\n") {
            let line = line.drop { $0 == " " }
            guard line.hasPrefix(name + "  ") else { continue }
            return Int(line.dropFirst(name.count).drop { $0 == " " }.prefix(while: \.isNumber))
        }
        return nil
    }
}

@Suite("apus import paopao, as a shell sees it")
struct ImportCommandTests {
    private static let header = "id,sender_user_id,receiver_user_id,type,content,is_read,created_on\n"

    @Test("--dry-run reads and counts, and opens no store")
    func dryRun() async throws {
        let text =
            Self.header + "1,10,11,4,hi,1,1700000000\n2,11,10,4,\"a\nb\",0,1700000001\n3,10,10,4,me,0,1700000002\n"
            + "4,10,12,2,liked,0,1700000003\n1,10,11,4,hi,1,1700000000\n6,10,12,4,x,0,never\n7,10\n"
        try await withFile("x.csv", text) { path in
            let data = path + ".data"
            let outcome = try await ImportOutcome.run("--file", path, "--dry-run", "--data", data)
            #expect(outcome.status == 0, "\(outcome.output)")
            #expect(outcome.figure("rows read") == 7)
            #expect(outcome.figure("whispers") == 2)
            #expect(outcome.figure("conversations") == 1)
            #expect(outcome.figure("users") == 2)
            #expect(outcome.figure("passed over") == 5)
            #expect(outcome.output.contains(/to oneself +1 {2}line 5 \(id 3\)/))
            #expect(outcome.output.contains(/the same id again +1 {2}line 7 \(id 1\)/))
            #expect(outcome.output.contains(/no time in seconds +1 {2}line 8 \(id 6\)/))
            #expect(outcome.output.contains(/not a row of this table +1 {2}line 9/))
            #expect(!FileManager.default.fileExists(atPath: data))
        }
    }

    @Test(
        "a file that is none of paopao's ends with 65 and one line that says why",
        arguments: [
            ("id,type\n", "has no column sender_user_id"), ("", "is empty"), ("-- MySQL dump\n", "SQL commands"),
            ("\u{1F}\u{8}", "is no file"), (header + "1,2,3,4,\"cut off", "line 2 is not closed"),
            ("SQLite format 3\0 and nothing", "cannot be read as a SQLite file"),
        ])
    func unreadable(text: String, why: String) async throws {
        try await withFile("x", text) { path in
            let outcome = try await ImportOutcome.run(
                "--file", why == "is no file" ? path + "y" : path, "--data", path + "d")
            #expect(outcome.status == 65, "\(outcome.output)")
            #expect(outcome.output.contains(why), "\(outcome.output)")
            #expect(outcome.output.split(separator: "\n").count == 1, "\(outcome.output)")
        }
    }

    @Test("settings that are wrong end with 64")
    func settings() async throws {
        try await withFile("x.csv", Self.header) { path in
            #expect(try await ImportOutcome.run("--file", path, "--nonsense").status == 64)
            #expect(try await ImportOutcome.run("--dry-run").status == 64)
            let lonely = try await ImportOutcome.run("--file", path, "--redis-url", "redis://h")
            #expect(lonely.status == 64 && lonely.output.contains("--nats-url is not"))
            let folder = try await ImportOutcome.run("--file", path, "--data", path)
            #expect(folder.status == 64 && folder.output.contains("APUS_DATA="), "\(folder.output)")
        }
    }
}
