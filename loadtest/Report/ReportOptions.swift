import ArgumentParser
import Foundation

/// Where results go: the same for every scenario.
struct ReportOptions: ParsableArguments {
    @Option(name: .customLong("json"), help: "Write the result to this file as JSON.", completion: .file())
    var jsonFile: String?

    @Option(name: .customLong("html"), help: "Write a report with plots to this file: one page, nothing external.")
    var htmlFile: String?

    @Flag(help: "Show no progress.")
    var quiet = false

    /// Fails before a run of minutes, not after it.
    func validate() throws {
        for (option, file) in [("--json", jsonFile), ("--html", htmlFile)] {
            guard let file else { continue }
            let folder = URL(fileURLWithPath: file).deletingLastPathComponent().path
            guard FileManager.default.isWritableFile(atPath: folder) else {
                throw ValidationError("\(option): \(folder) is no folder that can be written to")
            }
        }
    }

    /// Shows a run while it goes on; on standard error, so that results can be piped.
    func display() -> LiveDisplay { LiveDisplay(form: quiet ? .none : .of(STDERR_FILENO)) }

    /// Writes the files and the text. - Throws: `ExitStatus.broken` when the checks did not hold, `.incomplete` when the
    /// run came to no end.
    func finish(_ result: RunResult) throws {
        if let jsonFile { try RunFile.json(result).write(to: URL(fileURLWithPath: jsonFile)) }
        if let htmlFile { try Data(HTMLReport.page(result).utf8).write(to: URL(fileURLWithPath: htmlFile)) }
        Terminal.write(TextReport.text(result), to: STDOUT_FILENO)
        try ExitStatus.check([result.verdict])
    }
}

/// Results as files.
enum RunFile {
    static func json(_ result: RunResult) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(Document(verdict: result.verdict, result: result)) + Data("\n".utf8)
    }

    static func result(_ json: Data) throws -> RunResult { try JSONDecoder().decode(RunResult.self, from: json) }

    /// A result with its verdict, which is derived and stands in the file all the same: readers should not derive it again.
    private struct Document: Encodable {
        let verdict: RunResult.Verdict
        let result: RunResult

        enum Keys: String, CodingKey { case verdict }

        func encode(to encoder: any Encoder) throws {
            try result.encode(to: encoder)
            var members = encoder.container(keyedBy: Keys.self)
            try members.encode(verdict, forKey: .verdict)
        }
    }
}
