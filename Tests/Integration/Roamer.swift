import ApusTesting
import Core
import Foundation
import Synchronization
import Testing
import Wire

/// A user with one device who talks and listens, and comes back with `resume` whenever the connection ends, as a good
/// client does: it remembers where it was, goes when it is told, and repeats a message whose answer it did not hear.
///
/// It writes down everything that happened to it; `RoamerAudit` judges that.
final class Roamer: Sendable {
    /// One connection, from its beginning.
    struct Visit: Sendable {
        var began: ContinuousClock.Instant
        /// The node's name; nil when there was no welcome.
        var node: String?
        /// What the upgrade was answered with when that was not 101.
        var refusal: String?
        var resumed: Bool?
        var wasToldToGo = false
        var closeCode: UInt16?
    }

    struct Record: Sendable {
        var visits: [Visit] = []
        /// Durable events, over all connections.
        var events: [JSONObject] = []
        /// The head of the timeline at the first welcome.
        var start: Int64 = 0
        /// Texts that were answered with ok, in their order, and how many had to be repeated.
        var sent: [String] = []
        var repeated = 0
        /// Error replies other than `unavailable`.
        var errors: [String] = []
    }

    private struct Speech {
        var isTalking = false
        /// A message was said and its answer has not been heard.
        var isAwaited = false
    }

    let user: String
    let partner: String
    private let port: Int
    private let token: String
    private let record = Mutex(Record())
    private let speech = Mutex(Speech())
    private let lives = Mutex(true)
    private let isThere = Mutex(false)

    init(_ user: String, partner: String, port: Int, token: String) {
        self.user = user
        self.partner = partner
        self.port = port
        self.token = token
    }

    var story: Record { record.withLock { $0 } }
    /// Whether it has a session now.
    var isConnected: Bool { isThere.withLock { $0 } }

    /// Begins to talk. When the partner has no session yet, what is said is before what the partner hears.
    func speakUp() { speech.withLock { $0.isTalking = true } }

    /// Goes on listening, but says nothing new. What was said and not answered is still repeated.
    func fallSilent() { speech.withLock { $0.isTalking = false } }
    /// Whether it has fallen silent and every message has its answer: `story.sent` grows no more.
    var isSilent: Bool { speech.withLock { !$0.isTalking && !$0.isAwaited } }
    func leave() { lives.withLock { $0 = false } }

    /// Whether it may say the next message; it has an unanswered one then.
    private func beginsToSpeak() -> Bool {
        speech.withLock {
            if $0.isTalking { $0.isAwaited = true }
            return $0.isTalking
        }
    }
    private var isAlive: Bool { lives.withLock { $0 } }

    // MARK: Its life

    /// What survives a connection.
    private struct Memory {
        var epoch = ""
        var seq: Int64 = 0
        var last = ""
        var isNew = true
        /// The message that is said next or was said and not answered.
        var number = 1
        var wasSaid = false
        var isBusy = false
        /// After an `unavailable`, the time that it named.
        var notBefore = ContinuousClock.now
        var pauseMilliseconds = 0

        var resume: String? {
            isNew ? nil : #"{"epoch":"\#(epoch)","seq":\#(seq),"last":"\#(last)"}"#
        }
    }

    /// Lives until `leave`.
    /// - Parameter everyMilliseconds: How often it says something, on the average.
    func live(everyMilliseconds: Int) async {
        var memory = Memory()
        while isAlive {
            memory.pauseMilliseconds = .random(in: 20...200)
            await visit(&memory, everyMilliseconds)
            isThere.withLock { $0 = false }
            if isAlive { try? await Task.sleep(for: .milliseconds(memory.pauseMilliseconds)) }
        }
    }

    private func visit(_ memory: inout Memory, _ everyMilliseconds: Int) async {
        var visit = Visit(began: .now)
        defer { record.withLock { $0.visits.append(visit) } }
        let client: ScriptedClient
        do { client = try await ScriptedClient.connect(port: port) } catch {
            visit.refusal = "\(error)".split(separator: "\r\n").first.map(String.init) ?? "\(error)"
            return
        }
        defer { client.drop() }
        guard await greet(client, &memory, &visit) else { return }
        isThere.withLock { $0 = true }
        memory.isBusy = false
        var nextWord = ContinuousClock.now + .milliseconds(Int.random(in: 0...everyMilliseconds))
        while isAlive {
            let now = ContinuousClock.now
            if !memory.isBusy, now >= memory.notBefore, memory.wasSaid || (now >= nextWord && beginsToSpeak()) {
                guard await say(client, &memory) else { return }
                let pause = Int.random(in: everyMilliseconds / 2...everyMilliseconds * 3 / 2)
                nextWord = ContinuousClock.now + .milliseconds(pause)
            }
            guard let incoming = try? await client.next(within: 0.05) else { continue }
            switch incoming {
            case .text(let text):
                guard let frame = try? JSONObject(Array(text.utf8)) else { return }
                if let pause = take(frame, &memory) {
                    visit.wasToldToGo = true
                    memory.pauseMilliseconds = 0
                    await listen(client, &memory, &visit, forMilliseconds: pause)
                    return
                }
            case .ping(let payload): try? await client.send(.pong, payload)
            case .close(let code, _):
                visit.closeCode = code
                return
            case .end: return
            default: continue
            }
        }
    }

    private func greet(_ client: ScriptedClient, _ memory: inout Memory, _ visit: inout Visit) async -> Bool {
        var hello = #"{"id":1,"op":"hello","token":"\#(token)""#
        if let resume = memory.resume { hello += #","resume":\#(resume)"# }
        try? await client.send(hello + "}")
        while true {
            guard let incoming = try? await client.next(within: 20) else { return false }
            switch incoming {
            case .text(let text):
                guard let frame = try? JSONObject(Array(text.utf8)) else { return false }
                guard frame["ev"]?.string == "welcome" else {
                    note(error: frame)
                    return false
                }
                visit.node = frame["node"]?.string
                guard memory.isNew else {
                    visit.resumed = frame["resumed"]?.bool
                    return true
                }
                memory.isNew = false
                memory.epoch = frame["epoch"]?.string ?? ""
                memory.seq = frame["seq"]?.integer ?? 0
                memory.last = frame["last"]?.string ?? ""
                record.withLock { [seq = memory.seq] in $0.start = seq }
                return true
            case .close(let code, _):
                visit.closeCode = code
                return false
            case .end: return false
            default: continue
            }
        }
    }

    private func text(_ number: Int) -> String { "\(user) \(number)" }

    private func say(_ client: ScriptedClient, _ memory: inout Memory) async -> Bool {
        if memory.wasSaid { record.withLock { $0.repeated += 1 } }
        memory.wasSaid = true
        memory.isBusy = true
        let number = memory.number
        let body = #"{"text":"\#(text(number))"}"#
        let send = #"{"id":\#(number + 100),"op":"send","to":"\#(partner)","cid":"c\#(number)","body":\#(body)}"#
        return (try? await client.send(send)) != nil
    }

    /// Takes one frame in. - Returns: When the node asks it to go, after how many milliseconds.
    private func take(_ frame: JSONObject, _ memory: inout Memory) -> Int? {
        if frame["ev"]?.string == "draining" { return Int(frame["reconnect_ms"]?.integer ?? 0) }
        if frame["re"]?.integer == Int64(memory.number + 100) {
            memory.isBusy = false
            if frame["ok"] != nil {
                let said = text(memory.number)
                record.withLock { $0.sent.append(said) }
                memory.number += 1
                memory.wasSaid = false
                speech.withLock { $0.isAwaited = false }
            } else {
                let wait = frame["error"]?.object?["retry_ms"]?.integer ?? 1000
                memory.notBefore = ContinuousClock.now + .milliseconds(wait)
                note(error: frame)
            }
            return nil
        }
        guard let seq = frame["seq"]?.integer, let id = frame["id"]?.string else { return nil }
        memory.seq = seq
        memory.last = id
        record.withLock { $0.events.append(frame) }
        return nil
    }

    /// Hears what still comes, until its time to go.
    private func listen(
        _ client: ScriptedClient, _ memory: inout Memory, _ visit: inout Visit, forMilliseconds pause: Int
    ) async {
        let end = ContinuousClock.now + .milliseconds(pause)
        while ContinuousClock.now < end {
            guard let incoming = try? await client.next(within: 0.02) else { continue }
            switch incoming {
            case .text(let text):
                guard let frame = try? JSONObject(Array(text.utf8)) else { return }
                _ = take(frame, &memory)
            case .close(let code, _):
                visit.closeCode = code
                return
            case .end: return
            default: continue
            }
        }
    }

    private func note(error frame: JSONObject) {
        let code = frame["error"]?.object?["code"]?.string ?? "a frame that is no reply"
        if code != "unavailable" { record.withLock { $0.errors.append(code) } }
    }
}

/// What must hold for two users who talked with each other, whatever happened to their connections.
enum RoamerAudit {
    struct Findings {
        var lost = 0
        var doubled = 0
        var misordered = 0
        var holes = 0
        var resyncs = 0
        var first: String?

        mutating func note(_ count: WritableKeyPath<Findings, Int>, _ what: @autoclosure () -> String) {
            self[keyPath: count] += 1
            if first == nil { first = what() }
        }
    }

    /// Messages that were answered with ok and that this one has not heard yet, its own or its partner's.
    static func missing(_ one: Roamer, _ other: Roamer) -> Int {
        let heard = Set(texts(one.story))
        return (one.story.sent + other.story.sent).count { !heard.contains($0) }
    }

    static func judge(_ one: Roamer, _ other: Roamer, _ findings: inout Findings) {
        let stories = [one.story, other.story]
        for (story, user) in zip(stories, [one.user, other.user]) {
            let heard = texts(story)
            let counts: [String: Int] = heard.reduce(into: [:]) { $0[$1, default: 0] += 1 }
            for text in stories.flatMap(\.sent) where counts[text] == nil {
                findings.note(\.lost, "\(user) did not hear \(text)")
            }
            for (text, count) in counts where count > 1 {
                findings.note(\.doubled, "\(user) heard \(text) \(count) times")
            }
            let seqs = story.events.compactMap { $0["seq"]?.integer }
            if seqs != Array(story.start + 1..<story.start + 1 + Int64(seqs.count)) {
                findings.note(\.holes, "\(user)'s events are not numbered one after another: \(seqs)")
            }
            for sender in [one, other] {
                let said = heard.filter { $0.hasPrefix("\(sender.user) ") }
                let numbers = said.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
                if numbers != numbers.sorted() {
                    findings.note(\.misordered, "\(user) heard \(sender.user) in another order: \(numbers)")
                }
            }
            for visit in story.visits where visit.resumed == false {
                findings.note(\.resyncs, "\(user) was told resync")
            }
        }
        if texts(stories[0]) != texts(stories[1]) {
            findings.note(\.misordered, "\(one.user) and \(other.user) have heard their conversation in two orders")
        }
    }

    private static func texts(_ story: Roamer.Record) -> [String] {
        story.events.filter { $0["ev"]?.string == "message" }.compactMap { $0["body"]?.object?["text"]?.string }
    }
}
