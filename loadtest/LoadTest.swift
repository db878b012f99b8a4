import ArgumentParser

/// `apus-loadtest`: what can this Apus carry? Scenarios are subcommands; each verifies what it measures.
@main
struct LoadTest: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-loadtest", abstract: "Measures an Apus node.",
        subcommands: [IdleScenario.self, DirectScenario.self])
}
