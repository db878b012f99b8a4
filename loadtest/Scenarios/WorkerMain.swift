import ArgumentParser
import Foundation
import Glibc

/// What the load generator starts for itself: a process that holds sessions and is told what to do on standard input.
struct WorkerMain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "A worker of a scenario; not for people.", shouldDisplay: false)

    func run() throws {
        OwnProcess.raiseFileLimit()
        guard let line = readLine(), case .setup(let setup) = try Lines.decode(WorkerCommand.self, Array(line.utf8))
        else {
            throw ValidationError("a worker is started by a scenario")
        }
        do {
            let worker = try Worker(setup: setup)
            try worker.run()
        } catch {
            // The controller says it; this process has nobody else.
            if let report = try? Lines.encode(WorkerReport.fatal("\(error)")) {
                FileHandle.standardOutput.write(report)
            }
            throw ExitCode(1)
        }
    }
}
