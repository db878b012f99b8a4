import ArgumentParser
import Foundation

/// Shows a result that was kept as JSON.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Show a result that --json wrote, as text or as an HTML page.")

    @Argument(help: "The file that --json wrote.", completion: .file())
    var file: String

    @Option(help: "For a result of `million`: a document with a place for its table, such as docs/performance.md.")
    var document: String?

    @OptionGroup var report: ReportOptions

    func run() throws {
        let data: Data
        do { data = try Data(contentsOf: URL(fileURLWithPath: file)) } catch {
            throw ValidationError("\(file) cannot be read")
        }
        let result: RunResult
        do { result = try RunFile.result(data) } catch {
            throw ValidationError("\(file) is no result of apus-loadtest: \(error)")
        }
        if let document {
            guard result.scenario == "million", result.failure == nil else {
                throw ValidationError("--document: \(file) is no result of a million that was held")
            }
            try GeneratedTables.rewrite(document, ["million": MillionRun.table(result)])
        }
        try report.finish(result)
    }
}
