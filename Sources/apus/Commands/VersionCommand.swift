import ArgumentParser
import Core

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Show the version.")

    func run() { Output.line("apus \(Version.text)") }
}
