import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Wire

/// One who sends to one who receives, with the times of every message and what arrived.
final class Talk: Sendable {
    /// What one loop brought; milliseconds.
    struct Result: Sendable {
        var sent = 0
        var ok: [Double] = []
        var delivery: [Double] = []
        /// Doubled, out of order, refused for good.
        var wrong = 0
        /// Told to come again later.
        var held = 0
    }

    private struct State {
        var result = Result()
        /// When each message was meant to be sent, by its number in this talk.
        var meant: [Int: ContinuousClock.Instant] = [:]
        var undelivered: Set<Int> = []
        var number = 0
        var answered = 0
        var arrived = 0
        var until: ContinuousClock.Instant?
    }

    private let sender: LoadClient
    private let receiver: LoadClient
    private let partner: String
    private let text: String
    private let state = Mutex(State())

    /// Connects a pair, on one node or on two.
    static func open(
        _ index: Int, _ site: ChatSite, textBytes: Int, on group: MultiThreadedEventLoopGroup
    ) async throws -> Talk {
        let names = (String(100_000 + 2 * index), String(100_001 + 2 * index))
        let sender = try await LoadClients.open([names.0], at: site.nodes[0], on: group)[0]
        let receiver = try await LoadClients.open([names.1], at: site.nodes[site.nodes.count - 1], on: group)[0]
        return Talk(sender, receiver, partner: names.1, textBytes: textBytes)
    }

    private init(_ sender: LoadClient, _ receiver: LoadClient, partner: String, textBytes: Int) {
        self.sender = sender
        self.receiver = receiver
        self.partner = partner
        text = String(repeating: "x", count: textBytes)
        sender.onFrame = { [weak self] in self?.answered($0) }
        receiver.onFrame = { [weak self] in self?.arrived($0) }
    }

    var result: Result { state.withLock { $0.result } }
    var isSettled: Bool { state.withLock { $0.arrived == $0.number && $0.answered == $0.number } }

    func reset() {
        state.withLock {
            $0.result = Result(wrong: $0.result.wrong)
            $0.until = nil
        }
    }

    func close() {
        sender.close()
        receiver.close()
    }

    // MARK: Sending

    func send(meantAt: ContinuousClock.Instant) {
        let number = state.withLock { state in
            state.number += 1
            state.result.sent += 1
            state.meant[state.number] = meantAt
            state.undelivered.insert(state.number)
            return state.number
        }
        send(number)
    }

    private func send(_ number: Int) {
        sender.send(
            #"{"id":\#(number),"op":"send","to":"\#(partner)","cid":"m\#(number)","body":{"i":\#(number),"text":"\#(text)"}}"#
        )
    }

    func keepInFlight(_ window: Int, until: ContinuousClock.Instant) {
        state.withLock { $0.until = until }
        for _ in 0..<window { send(meantAt: .now) }
    }

    // MARK: Receiving

    private func answered(_ frame: [UInt8]) {
        guard let object = try? JSONObject(frame), let number = object["re"]?.integer.map({ Int($0) }) else { return }
        // A session may do 50 operations a second: it waits as it is told and says it again.
        if let error = object["error"]?.object, let pause = error["retry_ms"]?.integer {
            state.withLock { $0.result.held += 1 }
            // All that are in flight are told the same time; coming back at once would only be refused again.
            return sender.after(milliseconds: pause + Int64.random(in: 50...500)) { [weak self] in self?.send(number) }
        }
        let goesOn = state.withLock { state in
            state.answered += 1
            guard object["ok"] != nil, let meant = state.meant[number] else {
                state.result.wrong += 1
                return false
            }
            state.result.ok.append(Self.milliseconds(since: meant))
            if !state.undelivered.contains(number) { state.meant[number] = nil }
            return state.until.map { ContinuousClock.now < $0 } ?? false
        }
        if goesOn { send(meantAt: .now) }
    }

    private func arrived(_ frame: [UInt8]) {
        guard frame.starts(with: #"{"ev":"message""#.utf8), let object = try? JSONObject(frame),
            let n = object["n"]?.integer, let number = object["body"]?.object?["i"]?.integer.map({ Int($0) })
        else { return }
        state.withLock { state in
            state.arrived += 1
            // Numbered without holes, and each message once.
            guard Int(n) == state.arrived, state.undelivered.remove(number) != nil, let meant = state.meant[number]
            else {
                state.result.wrong += 1
                return
            }
            state.result.delivery.append(Self.milliseconds(since: meant))
        }
    }

    private static func milliseconds(since instant: ContinuousClock.Instant) -> Double {
        let passed = (ContinuousClock.now - instant).components
        return Double(passed.seconds) * 1000 + Double(passed.attoseconds) / 1e15
    }
}
