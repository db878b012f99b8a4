import ArgumentParser
import Foundation

/// What `bench` and `peers` have in common: how capacities are searched, where everything runs, what is shown.
struct MeasureOptions: ParsableArguments {
    @Option(help: "Seconds of each step of a search for capacity.")
    var stepSeconds = 4.0

    @Option(help: "The executable of the nodes; by default `apus` beside this program.")
    var apus: String?

    @Option(help: "The document whose tables are written, such as docs/performance.md.")
    var document: String?

    @Flag(help: "Leave servers and load where the kernel puts them.")
    var unpinned = false

    @Flag(help: "Show no progress.")
    var quiet = false

    func validate() throws {
        // Samples are of a second.
        try OptionRange.check("--step-seconds", stepSeconds, 3...3600)
    }

    /// The server on the first processor, everything else, this process too, on the last; where they please with one
    /// processor or `--unpinned`.
    func bench() async throws -> Bench {
        var bench = Bench(executable: apus, stepSeconds: stepSeconds)
        let processors = Executables.processors()
        if !unpinned, let first = processors.first, let last = processors.last, first != last {
            (bench.nodeCore, bench.loadCore) = (first, last)
            try await Affinity.pin(to: last)
        }
        return bench
    }

    /// This machine, with the processors that it had before anything was pinned.
    func machine(_ processors: [Int]) -> Machine {
        var machine = Machine.current()
        machine.cores = processors.isEmpty ? machine.cores : processors.count
        return machine
    }

    func display() -> LiveDisplay { LiveDisplay(form: quiet ? .none : .of(STDERR_FILENO)) }
}
