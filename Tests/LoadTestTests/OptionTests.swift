import ApusTesting
import ArgumentParser
import Foundation
import Spawn
import Testing

@testable import apus_loadtest

@Suite("Options that make no sense")
struct OptionTests {
    /// They are refused with what is wrong, and the status that the document promises.
    private func refuse<Command: ParsableCommand>(
        _ command: Command.Type, _ arguments: [String], _ expected: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: (any Error).self, sourceLocation: sourceLocation) { try command.parse(arguments) }
        guard let error else { return }
        let message = command.message(for: error)
        #expect(message.contains(expected), "\(message)", sourceLocation: sourceLocation)
        #expect(command.exitCode(for: error) == .validationFailure, sourceLocation: sourceLocation)
    }

    @Test("numbers that are none, or that no run could do, are refused before anything starts")
    func ranges() {
        for value in ["inf", "nan", "1e19", "0"] {
            refuse(NotifyCommand.self, ["--seconds", value], "--seconds must be from 0.001 to 604800, not ")
            refuse(NotifyCommand.self, ["--rate", value], "--rate must be from 0.001 to 100000000, not ")
            refuse(LiveCommand.self, ["--connects-per-second", value], "--connects-per-second must be from ")
            refuse(DayCommand.self, ["--times", value], "--times must be from 0.001 to 10000, not ")
            refuse(LocalCommand.self, ["--seconds", value], "--seconds must be from ")
            refuse(
                LocalCommand.self, ["--scenario", "day", "--rate", value], "--rate must be from 0.001 to 10000, not ")
            refuse(MillionCommand.self, ["--rate", value], "--rate must be from ")
            refuse(BenchCommand.self, ["--step-seconds", value], "--step-seconds must be from 3 to 3600, not ")
        }
        for value in ["inf", "nan", "1e12"] {
            refuse(IdleCommand.self, ["--seconds", value], "--seconds must be from 0 to 604800, not ")
            refuse(StormCommand.self, ["--seconds", value], "--seconds must be from 0 to 3600, not ")
            refuse(StormCommand.self, ["--rate", value], "--rate must be from 0 to ")
            refuse(LiveCommand.self, ["--settle", value], "--settle must be from 0 to 600, not ")
            refuse(LiveCommand.self, ["--slow", value], "--slow must be from 0 to 1, not ")
            refuse(MillionCommand.self, ["--hold", value], "--hold must be from 0 to ")
        }
        refuse(StormCommand.self, ["--drop=-5"], "--drop must be from 0 to 10000000, not -5")
        refuse(MillionCommand.self, ["--drop=-5"], "--drop must be from 0 to 1000000, not -5")
        refuse(MillionCommand.self, ["--reserve", "9223372036854775807"], "--reserve must be from 0 to ")
        refuse(MillionCommand.self, ["--sessions-per-node", "100"], "10000 nodes are too many")
        #expect(throws: Never.self) { try StormCommand.parse(["--drop", "0", "--seconds", "0", "--rate", "0"]) }
    }

    @Test("what belongs to an installation that runs is refused without its address")
    func withoutURL() {
        for (option, value) in [
            ("--backend", "http://127.0.0.1:1"), ("--nats", "nats://127.0.0.1:1"), ("--secret", "s"),
            ("--tokens", "tokens.txt"), ("--api-key", "k"), ("--nats-prefix", "other"),
        ] {
            refuse(NotifyCommand.self, [option, value], "\(option) belongs to an installation that runs")
        }
        refuse(NotifyCommand.self, ["--user-prefix", "a b"], "--user-prefix: only characters")
        #expect(throws: Never.self) { try NotifyCommand.parse(["--user-prefix", "load-"]) }
    }

    @Test("a file of tokens that cannot be read, or has too few, is named with what to do")
    func tokens() throws {
        let folder = try TestFolder.make("tokens")
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("tokens").path
        func plan(_ sessions: Int) throws -> LoadPlan {
            let command = try NotifyCommand.parse([
                "--url", "ws://127.0.0.1:1/ws", "--tokens", file, "--sessions", "\(sessions)",
            ])
            return try command.options.load.plan(command.options.target)
        }
        let missing = #expect(throws: ValidationError.self) { try plan(2) }
        #expect(missing?.message.hasPrefix("--tokens \(file) cannot be read") == true, "\(missing?.message ?? "")")
        try Data("u1 t1\nu2 t2\r\n\nu3 t3".utf8).write(to: URL(fileURLWithPath: file))
        #expect(try plan(3).tokenFile == file)
        let few = #expect(throws: ValidationError.self) { try plan(4) }
        #expect(few?.message.contains("has 3 users, and --sessions says 4") == true, "\(few?.message ?? "")")
        try Data("u1\n".utf8).write(to: URL(fileURLWithPath: file))
        let wrong = #expect(throws: ValidationError.self) { try plan(1) }
        #expect(wrong?.message.contains("each line must be a user, a space") == true, "\(wrong?.message ?? "")")
        // Whoever makes a plan without options is told the same, before any worker starts.
        var whole = LoadPlan(sessions: 4)
        whole.tokenFile = file
        let target = Target(urls: ["ws://127.0.0.1:1/ws"], secret: "")
        #expect(throws: LoadError.self) { try whole.setups(for: target, fileLimit: 20_000) }
    }

    @Test("settings and times of a run that was given no range are shown, and end nothing")
    func noRange() async throws {
        for value in [Double.infinity, .nan, 1e19, -1] {
            _ = (FigureText.number(value), FigureText.duration(value))
            let scenario = RateScenario(kind: .notify, name: "notify", rate: value, seconds: value)
            #expect(scenario.settings.count == 2)
        }
        #expect(FigureText.number(1e19) == "1e+19" && FigureText.duration(.infinity) == "–")
    }
}

@Suite("Exit status")
struct ExitStatusTests {
    private func end(_ arguments: [String]) async throws -> ChildProcess.Outcome {
        try await ChildProcess.outcome(of: try ApusProcess.executable("apus-loadtest"), arguments)
    }

    @Test("a run that cannot begin has status 2, and its report says why")
    func cannotBegin() async throws {
        let folder = try TestFolder.make("status")
        defer { try? FileManager.default.removeItem(at: folder) }
        let json = folder.appendingPathComponent("run.json")
        for command in [["local"], ["idle"], ["million", "--sessions", "1000", "--drop", "10"]] {
            try? FileManager.default.removeItem(at: json)
            let outcome = try await end(command + ["--apus", "/nowhere/apus", "--json", json.path, "--quiet"])
            #expect(outcome.status == 2, "\(outcome.output)\(outcome.error)")
            #expect(outcome.output.contains("NOT FINISHED: /nowhere/apus is no executable"), "\(outcome.output)")
            let result = try RunFile.result(try Data(contentsOf: json))
            #expect(result.verdict == .incomplete && result.failure?.hasPrefix("/nowhere/apus") == true)
        }
    }

    @Test("one that has nowhere to publish to has options that make no sense")
    func nowhere() async throws {
        let outcome = try await end(["notify", "--url", "ws://127.0.0.1:1/ws", "--secret", "s"])
        #expect(outcome.status == 64, "\(outcome.output)\(outcome.error)")
        #expect(outcome.error.contains("--nats"))
    }

    @Test("of several results what was found wrong counts more than what came to no end")
    func several() {
        #expect(throws: Never.self) { try ExitStatus.check([.held, .held]) }
        #expect(throws: ExitStatus.incomplete) { try ExitStatus.check([.held, .incomplete]) }
        #expect(throws: ExitStatus.broken) { try ExitStatus.check([.incomplete, .broken, .held]) }
        // What nobody foresaw is no finding.
        #expect(ExitStatus.of(SiteError("no taskset")) as? ExitCode == ExitStatus.incomplete)
        #expect(ExitStatus.of(ExitStatus.broken) as? ExitCode == ExitStatus.broken)
    }
}
