import ArgumentParser
import Core
import Foundation

/// The executable. Exit status: 0 after a drain, 64 for a configuration error, 65 for a file that cannot be read as
/// what it should be, 69 when a server that is needed cannot be reached (PROTOCOL §6), 1 for anything else.
@main
struct Apus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus",
        abstract: "A real-time notification and messaging gateway.",
        version: Version.text,
        subcommands: [
            ServeCommand.self, CheckConfigCommand.self, TokenCommand.self, ImportCommand.self, VersionCommand.self,
        ])

    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error as ConfigurationError {
            stop(error.description, EX_USAGE)
        } catch let error as ImportFileError {
            stop(error.description, EX_DATAERR)
        } catch let error as UnreachableError {
            stop(error.description, EX_UNAVAILABLE)
        } catch {
            exit(withError: error)
        }
    }

    private static func stop(_ message: String, _ status: Int32) -> Never {
        Output.error("apus: \(message)")
        Foundation.exit(status)
    }
}

/// What people read, as opposed to the log.
enum Output {
    static func line(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }
    /// Replaces the line that the cursor of a terminal stands in.
    static func status(_ text: String) { FileHandle.standardError.write(Data("\r\u{1B}[2K\(text)".utf8)) }
    static func error(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}
