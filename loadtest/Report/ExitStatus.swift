import ArgumentParser
import Foundation

/// What commands end with (docs/loadtest.md).
enum ExitStatus {
    /// Something was not as promised.
    static let broken = ExitCode(1)
    /// The run did not come to its end.
    static let incomplete = ExitCode(2)

    /// - Throws: What the worst of these results is; what was found wrong counts more than what came to no end.
    static func check(_ verdicts: [RunResult.Verdict]) throws {
        if verdicts.contains(.broken) { throw broken }
        if verdicts.contains(.incomplete) { throw incomplete }
    }

    /// What an error ends a command with. One that nobody foresaw is said here and is no finding: the parser of arguments
    /// would end with 1.
    static func of(_ error: any Error) -> any Error {
        if error is ExitCode || error is ValidationError { return error }
        Terminal.write("Error: \(error)\n", to: STDERR_FILENO)
        return incomplete
    }
}
