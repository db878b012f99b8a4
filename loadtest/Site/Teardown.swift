import Dispatch
import Foundation
import Synchronization

/// Takes sites down when this program is interrupted, before it ends. Whatever else ends it, the kernel does that.
enum Teardown {
    private static let state = Mutex(State())

    private struct State {
        var sites: [ObjectIdentifier: Site] = [:]
        var sources: [any DispatchSourceSignal] = []
    }

    static func add(_ site: Site) {
        state.withLock { state in
            state.sites[ObjectIdentifier(site)] = site
            guard state.sources.isEmpty else { return }
            state.sources = [SIGINT, SIGTERM, SIGHUP].map { number in
                // Ignored, or it would end the program before the source hears of it.
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler { interrupted(by: number) }
                source.resume()
                return source
            }
        }
    }

    static func remove(_ site: Site) { state.withLock { $0.sites[ObjectIdentifier(site)] = nil } }

    private static func interrupted(by number: Int32) {
        Terminal.write("\ninterrupted: taking everything down\n", to: STDERR_FILENO)
        for site in state.withLock({ Array($0.sites.values) }) { site.stop() }
        exit(128 + number)
    }
}
