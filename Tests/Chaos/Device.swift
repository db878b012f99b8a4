import ApusTesting
import Core
import Foundation
import Synchronization
import Wire

/// One device of a user, as a good client is written: it reconnects with a jittered pause, resumes, reads afresh when it is
/// told to, pulls when it is `behind`, sends again what was not answered, and leaves a node that drains. It records
/// everything.
final class Device: Sendable {
    /// Who may be connected to; asked at every attempt, since nodes come and go.
    typealias Ports = @Sendable () -> [Int]

    struct Options: Sendable {
        var user: String
        var name: String
        var token: String
        var seed: UInt64
        /// How often it asks for the head.
        var pingMilliseconds: Int64
        /// A small buffer of the kernel, for one that is to be a slow reader; nil: the usual.
        var receiveBufferBytes: Int?
        /// Does not come back once its connection has ended.
        var staysAway = false
    }

    let options: Options
    private let clock: RunClock
    private let ports: Ports
    private let state: Mutex<DeviceState>
    private static let connections = Atomic(0)

    init(_ options: Options, clock: RunClock, ports: @escaping Ports) {
        self.options = options
        self.clock = clock
        self.ports = ports
        state = Mutex(DeviceState(options))
    }

    // MARK: What a run asks of it

    /// Says something at once, or as soon as it is connected. - Parameter isPersistent: Until it is answered ok.
    func say(_ cid: String, in conversation: String, members: [String], isPersistent: Bool, isRepeated: Bool) {
        state.withLock {
            $0.say(
                SentMessage(from: options.user, cid: cid, conversation: conversation, members: members),
                isPersistent: isPersistent, isRepeated: isRepeated, now: clock.now)
        }
    }

    var record: DeviceRecord { state.withLock { $0.finished } }
    var messages: [SentMessage] { state.withLock { $0.messages } }
    /// Whether it is connected and nothing that it must say is unanswered.
    var isQuiet: Bool { state.withLock { $0.isLive && $0.openMessages == 0 } }
    /// How many times it was welcomed.
    var sessionCount: Int { state.withLock { $0.record.sessions.count } }
    var timesBehind: Int { state.withLock { $0.timesBehind } }
    var isLive: Bool { state.withLock { $0.isLive } }
    /// When a reply `ok` came last.
    var lastOK: Moment { state.withLock { $0.lastOK } }
    var node: String { state.withLock { $0.record.sessions.last?.node ?? "" } }

    /// Cuts the connection; it comes back by itself.
    func cut() { state.withLock { $0.client }?.drop() }

    /// Stays away until `comeBack`.
    func goAway() {
        state.withLock { $0.isAway = true }
        cut()
    }
    func comeBack() { state.withLock { $0.isAway = false } }

    /// Stops reading its socket, or goes on, on this connection and the next ones.
    func setStalled(_ isStalled: Bool) async {
        let client = state.withLock { state in
            state.setStalled(isStalled)
            return state.client
        }
        try? await client?.setReading(!isStalled)
    }

    /// Sends bytes as they are, beside the protocol.
    func send(raw bytes: [UInt8]) { state.withLock { $0.client }?.post(raw: bytes) }

    // MARK: Its life

    /// Until the task is cancelled.
    func run() async {
        var random = SeededGenerator(seed: options.seed)
        var pause = 50
        while !Task.isCancelled {
            if !state.withLock({ $0.isAway }) {
                if await connect(&random) {
                    if options.staysAway { return }
                    pause = 50
                }
            }
            pause = min(pause * 2, 800)
            try? await Task.sleep(for: .milliseconds(Int.random(in: pause / 2...pause, using: &random)))
        }
        state.withLock { $0.client }?.drop()
    }

    /// One connection, from the handshake to its end. - Returns: whether there was a `welcome`.
    private func connect(_ random: inout SeededGenerator) async -> Bool {
        guard let port = ports().randomElement(using: &random),
            let client = try? await ScriptedClient.connect(
                port: port, receiveBufferBytes: options.receiveBufferBytes, within: 3)
        else { return false }
        defer { client.drop() }
        let number = Self.connections.add(1, ordering: .relaxed).newValue
        state.withLock { $0.begin(client, number) }
        guard (try? await client.receive({ [self] in take($0) })) != nil else { return false }
        client.post(state.withLock { $0.hello(token: options.token) })
        let begun = clock.now
        var wasLive = false
        while !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(100))
            let now = clock.now
            let (isLive, isOver) = state.withLock { ($0.isLive, $0.isOver(now)) }
            wasLive = wasLive || isLive
            if isOver || !isLive && now - begun > 5_000_000 { break }
            if isLive { state.withLock { $0.keepAlive(now) } }
        }
        state.withLock { $0.end(clock.now) }
        return wasLive
    }

    private func take(_ incoming: ScriptedClient.Incoming) { state.withLock { $0.take(incoming, clock.now) } }
}
