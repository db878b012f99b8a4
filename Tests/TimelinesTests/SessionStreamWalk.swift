import ApusTesting
import Core
import Testing
import Timelines

/// Random appends, hints, reads, overflows and damage, against a model that is simple enough to be believed: what a
/// session was given is at every moment the beginning of one history of the timeline, each event once (G5, G6).
@Suite("A session's stream, whatever happens around it")
struct SessionStreamWalkTests {
    @Test("gives a healthy timeline whole and in order when every hint arrives, however late and often")
    func healthy() throws { try walks(400, Trouble()) }

    @Test("gives it whole when hints are lost and reads fail, as soon as the head is compared")
    func lossy() throws { try walks(400, Trouble(losesHints: true, failsReads: true)) }

    @Test("never mixes two histories, loses or repeats an event when the store loses its tail, its past or everything")
    func damaged() throws { try walks(1500, Trouble(losesHints: true, failsReads: true, damages: true)) }

    private func walks(_ count: Int, _ trouble: Trouble) throws {
        let seed = SeededGenerator.seed()
        var outcomes = (lost: 0, delivered: 0)
        for round in 0..<count {
            var walk = Walk(seed: seed &+ UInt64(round) &* 7919, trouble)
            do { try walk.run() } catch {
                // The same walk once more, this time with its story.
                let story = Story()
                var again = Walk(seed: seed &+ UInt64(round) &* 7919, trouble, story: story)
                try? again.run()
                Issue.record("seed \(seed), round \(round): \(error)\n\(story.lines.joined(separator: "\n"))")
                return
            }
            outcomes.lost += walk.isLost && !walk.hadLatePage ? 1 : 0
            outcomes.delivered += walk.given.count
        }
        #expect(outcomes.delivered > count * 5, "the walks get somewhere")
        if trouble.damages { #expect(outcomes.lost > count / 10) } else { #expect(outcomes.lost == 0) }
    }
}

/// What happened in a walk, line by line.
private final class Story { var lines: [String] = [] }

private struct Trouble {
    var losesHints = false
    var failsReads = false
    var damages = false
}

/// A timeline that can lose its tail, forget its oldest events, and begin anew.
private struct Store {
    var epoch = "epoch-0"
    var ids: [String] = []
    var oldest: Int64 = 1
    /// The histories that were given up.
    var past: [[String]] = []
    private var made = 0

    var head: TimelineHead { TimelineHead(epoch: epoch, seq: Int64(ids.count), last: ids.last ?? "") }

    mutating func append() {
        made += 1
        ids.append("id-\(made)")
    }

    mutating func fork(losing count: Int) {
        past.append(ids)
        ids.removeLast(min(count, ids.count))
        oldest = min(oldest, Int64(ids.count) + 1)
    }

    mutating func reset() {
        past.append(ids)
        made += 1
        (epoch, ids, oldest) = ("epoch-\(made)", [], 1)
    }

    mutating func trim(_ count: Int64) { oldest = max(oldest, min(oldest + count, Int64(ids.count))) }

    func read(after seq: Int64, last: String?, epoch: String?, limit: Int) -> TimelinePage {
        let cursor = Cursor(epoch: epoch ?? self.epoch, seq: seq, last: last)
        let verdict = ResumeVerdict.judge(cursor, head: head, oldest: oldest) {
            oldest...Int64(max(ids.count, 1)) ~= $0 && $0 <= ids.count ? ids[Int($0) - 1] : nil
        }
        if case .resync(let reason) = verdict { return TimelinePage(head: head, resync: reason, entries: []) }
        let entries = ids.indices.dropFirst(Int(seq)).prefix(limit).map {
            TimelineEntry(seq: Int64($0) + 1, id: ids[$0], frame: [])
        }
        return TimelinePage(head: head, resync: nil, entries: Array(entries))
    }

    /// Whether these ids, from the first on, are the beginning of a history that there was or is.
    func knows(_ given: [String]) -> Bool { ([ids] + past).contains { $0.starts(with: given) } }
}

/// One session, the shard's part played as `Shard+Delivery` plays it.
private struct Walk {
    enum Hint {
        case event(seq: Int64, previous: String, id: String)
        case head(epoch: String?, seq: Int64, id: String)
        case reaches(Int64)
    }

    enum Reading {
        /// Asked, and not yet looked up in the store.
        case asked(after: Int64)
        /// Looked up; the page is on its way.
        case answered(TimelinePage)
    }

    private var random: SeededGenerator
    private let trouble: Trouble
    private var store = Store()
    private var stream: SessionStream
    private var hints: [Hint] = []
    private var reads: [Reading] = []
    private var pull: TimelinePage?
    private let epoch: String
    /// The ids that the client has, from the first event on.
    private(set) var given: [String]
    private(set) var isLost = false
    private var checked = -1
    private let story: Story?
    private var wasDamaged = false
    /// A page came while another read was under way: an overflow had voided its read, but pages have no numbers, so it is
    /// taken for the other's. Such a session may be told to resume for nothing, which is a pity and no more.
    private(set) var hadLatePage = false

    init(seed: UInt64, _ trouble: Trouble, story: Story? = nil) {
        self.story = story
        random = SeededGenerator(seed: seed)
        self.trouble = trouble
        for _ in 0..<Int.random(in: 0...6, using: &random) { store.append() }
        let start = Int.random(in: 0...store.ids.count, using: &random)
        given = Array(store.ids.prefix(start))
        epoch = store.epoch
        stream = SessionStream(epoch: epoch, seq: Int64(start), last: given.last ?? "", headSeq: store.head.seq)
        if stream.phase == .reading { reads.append(.asked(after: stream.readAfter)) }
    }

    private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }

    // MARK: Steps

    mutating func run() throws {
        for _ in 0..<60 where !isLost { try step() }
        try finish()
    }

    private mutating func step() throws {
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<30: append()
        case 30..<60: arrive()
        case 60..<78: read()
        case 78..<84: overflow()
        case 84..<94: clientPulls()
        case 94..<97: if stream.retry() { reads.append(.asked(after: stream.readAfter)) }
        default: damage()
        }
        try check()
    }

    private mutating func append() {
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let before = store.head
            store.append()
            note("append \(store.head)")
            if trouble.losesHints, chance(30) { continue }
            let hint = Hint.event(seq: store.head.seq, previous: before.last, id: store.head.last)
            hints.append(hint)
            if chance(15) { hints.append(hint) }
        }
        if trouble.losesHints, chance(15) {
            hints.append(
                chance(50)
                    ? .reaches(store.head.seq)
                    : .head(epoch: chance(50) ? store.epoch : nil, seq: store.head.seq, id: store.head.last))
        }
    }

    /// A hint comes in, mostly in its turn.
    private mutating func arrive() {
        guard !hints.isEmpty else { return }
        hear(hints.remove(at: chance(75) ? 0 : Int.random(in: hints.indices, using: &random)))
    }

    private mutating func hear(_ hint: Hint) {
        let action: SessionStream.HintAction
        switch hint {
        case .event(let seq, let previous, let id):
            action = stream.hint(seq: seq, previous: Fingerprint.of(previous.utf8), id: Fingerprint.of(id.utf8))
            if action == .deliver { given.append(id) }
        case .head(let epoch, let seq, let id):
            action = stream.head(epoch: epoch.map { Fingerprint.of($0.utf8) }, seq: seq, id: Fingerprint.of(id.utf8))
        case .reaches(let seq): action = stream.reaches(seq: seq)
        }
        note("\(hint) → \(action)")
        if action == .read { reads.append(.asked(after: stream.readAfter)) }
    }

    /// A read goes one step further: looked up in the store, failed, or back.
    private mutating func read() {
        guard !reads.isEmpty else { return }
        let at = Int.random(in: reads.indices, using: &random)
        if case .asked(let after) = reads[at] {
            if trouble.failsReads, chance(25) {
                reads.remove(at: at)
                stream.readFailed()
                return note("read failed")
            }
            reads[at] = .answered(store.read(after: after, last: nil, epoch: nil, limit: 4))
            return note("read after \(after) looked up")
        }
        guard case .answered(let page) = reads.remove(at: at), stream.phase == .reading else { return }
        if !reads.isEmpty { hadLatePage = true }
        let action = stream.page(page)
        note("page \(page.entries.map(\.id)) of \(page.head) → \(action)")
        switch action {
        case .deliver(let entries, let next):
            given += entries.map(\.id)
            if next == .read { reads.append(.asked(after: stream.readAfter)) }
        case .lost: isLost = true
        }
    }

    private mutating func overflow() {
        guard chance(40), stream.overflow() else { return }
        note("overflow")
    }

    /// The client, told that it is behind, pulls with `epoch` and `last`, as docs/protocol.md asks.
    private mutating func clientPulls() {
        guard let page = pull else {
            guard stream.phase == .behind else { return }
            pull = store.read(after: Int64(given.count), last: given.last, epoch: epoch, limit: 3)
            return note("pull looked up")
        }
        pull = nil
        guard stream.phase == .behind else { return }
        note("pulled \(page)")
        guard page.resync == nil else { return isLost = true }
        given += page.entries.map(\.id)
        guard !page.more else { return }
        if stream.caughtUp(to: page.head) == .read { reads.append(.asked(after: stream.readAfter)) }
    }

    private mutating func damage() {
        guard trouble.damages, chance(40) else { return }
        wasDamaged = true
        switch Int.random(in: 0..<4, using: &random) {
        case 0: store.reset()
        case 1: store.trim(Int64.random(in: 1...4, using: &random))
        default: store.fork(losing: Int.random(in: 1...3, using: &random))
        }
        note("damage: \(store.head), oldest \(store.oldest)")
    }

    // MARK: Checks

    private func note(_ what: @autoclosure () -> String) {
        story?.lines.append("\(stream.phase) at \(stream.seq), given \(given.count): \(what())")
    }

    private mutating func check() throws {
        guard checked != given.count || isLost else { return }
        checked = given.count
        guard store.knows(given) else { throw TestFailure("given is the beginning of no history: \(given)") }
        if isLost, !wasDamaged, !hadLatePage { throw TestFailure("lost a timeline to which nothing happened") }
    }

    /// Lets everything settle; then the session is at the head of the store, or lost because of damage.
    private mutating func finish() throws {
        for _ in 0..<400 where !isLost {
            if !hints.isEmpty {
                if trouble.losesHints { hints = [] } else { arrive() }
            } else if stream.phase == .stale {
                if stream.retry() { reads.append(.asked(after: stream.readAfter)) }
            } else if !reads.isEmpty {
                read()
            } else if stream.phase == .behind {
                clientPulls()
            } else if trouble.losesHints,
                store.head.seq != Int64(given.count) || store.head.last != given.last ?? "" || store.epoch != epoch
            {
                hear(.head(epoch: store.epoch, seq: store.head.seq, id: store.head.last))
            }
            try check()
        }
        guard !isLost, given != store.ids || stream.phase != .live else { return }
        throw TestFailure("settled \(stream.phase) with \(given), the store has \(store.ids)")
    }
}
