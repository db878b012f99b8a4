import ArgumentParser

/// `apus-loadtest`: what can this Apus carry? Scenarios are subcommands; each verifies what it measures.
@main
struct LoadTest: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-loadtest", abstract: "Puts load on an Apus, and checks everything that arrives.",
        subcommands: [
            IdleCommand.self, NotifyCommand.self, LiveCommand.self, BroadcastCommand.self, DirectCommand.self,
            StormCommand.self, DayCommand.self, LocalCommand.self, MillionCommand.self,
            BenchCommand.self, PeersCommand.self, ReportCommand.self, WorkerMain.self,
        ])
}
