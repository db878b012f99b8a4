import Foundation
import Spawn

/// Another server that does what live events of Apus do, for comparison: the same engine, the same run, the same payloads.
///
/// What Apus does besides (durable events, numbers, resume, a directory of sessions) these do not, so it is not compared.
/// A site runs one like its nodes (`SitePlan.peer`); workers speak its protocol by the dialect of the same name.
protocol Peer: Sendable {
    /// As `--peer` and `WorkerSetup.peer` name it.
    var name: String { get }
    /// What it is, for tables.
    var title: String { get }
    /// Its program. - Throws: `SiteError` that says how to install it.
    func executable() throws -> String
    /// Of its program; nil when it does not say.
    func version() async -> String?
    /// Writes what it needs into `folder`, and says how it is started.
    func launch(in folder: URL) throws -> PeerLaunch
    /// How a worker speaks with it.
    func dialect() -> any Dialect
}

/// How a server is started, and where it then is.
struct PeerLaunch {
    var arguments: [String]
    var target: Target
    /// Accept connections once it is up.
    var ports: [Int]
}

/// All that can be compared with.
enum Peers {
    static let all: [any Peer] = [NATSPeer(), NchanPeer(), UWebSocketsPeer(), PlainNIOPeer()]
    static let remedy = "`scripts/setup peers` installs it"

    static func named(_ name: String) throws -> any Peer {
        guard let peer = all.first(where: { $0.name == name }) else {
            throw SiteError("--peer \(name): there are \(all.map(\.name).joined(separator: ", "))")
        }
        return peer
    }

    /// Those that are installed; of each other one a line that says how to install it.
    static func installed() -> (there: [any Peer], missing: [String]) {
        var (there, missing): ([any Peer], [String]) = ([], [])
        for peer in all {
            do {
                _ = try peer.executable()
                there.append(peer)
            } catch {
                missing.append("\(peer.title) is left out: \(error)")
            }
        }
        return (there, missing)
    }
}

extension Peer {
    /// The first thing that looks like a version in what the program prints.
    func version(_ arguments: [String], _ pattern: Regex<(Substring, Substring)>) async -> String? {
        guard let executable = try? executable(),
            let outcome = try? await ChildProcess.outcome(of: executable, arguments)
        else { return nil }
        return (outcome.output + outcome.error).firstMatch(of: pattern).map { String($0.1) }
    }
}
