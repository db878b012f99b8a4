import Core
import Notifications
import Testing
import Timelines

// Random operations on a store and on a model that is simple enough to be believed; they must agree at every step.

extension InboxStoreContract {
    static let agreeing: [ContractCase<StoresUnderTest>] = [
        ContractCase("After random operations the store agrees with a simple model, and unread has no drift") {
            stores in
            let seed = SeededGenerator.seed()
            try await StoresUnderTest.expiryTurns.alone {
                var walk = ModelWalk(stores: stores, seed: seed)
                for step in 0..<300 {
                    try await walk.step()
                    if step % 15 == 14 { try await walk.compareAll() }
                }
                try await walk.compareAll()
            }
        }
    ]
}

/// One user's timeline and inbox as arrays.
private struct InboxModel {
    struct Item {
        var id: String
        var content: Notification
        var read: Bool
    }

    let limits: StoreLimits
    var entries: [AppendedEntry] = []
    /// Oldest first.
    var items: [Item] = []
    var seen: [String: (seq: Int64, item: String)] = [:]

    var nextSeq: Int64 { Int64(entries.count) + 1 }
    var previous: String { entries.last?.id ?? "" }
    var unread: Unread { Unread(messages: 0, notifications: items.filter { !$0.read }.count) }

    var counts: InboxCounts {
        let categories = items.filter { !$0.read }.map { ($0.content.category, 1) }
        return InboxCounts(unread: unread, byCategory: Dictionary(categories, uniquingKeysWith: +))
    }

    mutating func append(_ notification: Notification) -> (entry: AppendedEntry?, seq: Int64, item: String) {
        if let known = seen[notification.id.text] { return (nil, known.seq, known.item) }
        let target = notification.collapse.flatMap { key in items.lastIndex { !$0.read && $0.content.collapse == key } }
        let item = target.map { items[$0].id } ?? notification.id.text
        if let target {
            items[target].content = notification
        } else {
            items.append(Item(id: item, content: notification, read: false))
            if items.count > limits.inboxItems { items.removeFirst() }
        }
        let frame = EventFrames.notification(
            seq: nextSeq, notification, item: item, updated: target != nil, unread: unread)
        seen[notification.id.text] = (nextSeq, item)
        let entry = AppendedEntry(seq: nextSeq, id: notification.id.text, previous: previous, frame: frame)
        entries.append(entry)
        return (entry, entry.seq, item)
    }

    mutating func markRead(_ selection: ReadSelection, category: String?, id: EventID, now: Int64) -> AppendedEntry? {
        let chosen: [Int]
        switch selection {
        case .ids(let ids): chosen = ids.compactMap { id in items.firstIndex { $0.id == id } }
        case .upTo(let id): chosen = items.firstIndex { $0.id == id }.map { Array(0...$0) } ?? []
        case .all: chosen = Array(items.indices)
        }
        var marked: [String] = []
        for index in chosen where !items[index].read && (category == nil || items[index].content.category == category) {
            items[index].read = true
            marked.append(items[index].id)
        }
        guard !marked.isEmpty else { return nil }
        var shown = selection
        if case .ids = selection { shown = .ids(marked) }
        let frame = EventFrames.inboxRead(
            seq: nextSeq, id: id, timestamp: now, selection: shown, category: category, unread: unread)
        let entry = AppendedEntry(seq: nextSeq, id: id.text, previous: previous, frame: frame)
        entries.append(entry)
        return entry
    }
}

/// Stops at the first disagreement, since everything after it would differ too.
private struct ModelWalk {
    let stores: StoresUnderTest
    let seed: UInt64
    let user = Sample.user("model")
    private var model: InboxModel
    private var random: SeededGenerator
    private var now = Sample.now
    private var sent: [Notification] = []

    init(stores: StoresUnderTest, seed: UInt64) {
        self.stores = stores
        self.seed = seed
        model = InboxModel(limits: stores.limits)
        random = SeededGenerator(seed: seed)
    }

    private func pick(_ range: Range<Int>, _ random: inout SeededGenerator) -> Int {
        Int.random(in: range, using: &random)
    }

    mutating func step() async throws {
        switch pick(0..<20, &random) {
        case 0..<11: try await append(newNotification())
        case 11, 12: try await append(sent.randomElement(using: &random) ?? newNotification())
        case 13..<17: try await mark()
        default: try await moveTime()
        }
        let counts = try await stores.counts(of: user, at: now)
        try #require(counts == model.counts, "seed \(seed)")
    }

    private mutating func newNotification() -> Notification {
        let category = ["like", "comment", "follow"][pick(0..<3, &random)]
        let collapse = pick(0..<3, &random) == 0 ? "key-\(pick(0..<4, &random))" : nil
        let ttl = pick(0..<4, &random) == 0 ? Int64(pick(1..<60_000, &random)) : nil
        let notification = Sample.notification(
            category: category, collapse: collapse, ttlMilliseconds: ttl, text: "\(random.next())", at: now)
        sent.append(notification)
        return notification
    }

    private mutating func append(_ notification: Notification) async throws {
        // A copy that comes late may have run out already; what becomes of such a one is left open.
        if let expiry = notification.expiresAtMilliseconds, expiry <= now, model.seen[notification.id.text] == nil {
            return
        }
        let expected = model.append(notification)
        let outcome = try await stores.append(notification, to: user, at: now)
        try #require(
            outcome.entry == expected.entry, "seed \(seed): \(outcome.entry?.frame.text ?? "nothing appended")")
        try #require(outcome.seq == expected.seq && outcome.item == expected.item, "seed \(seed)")
    }

    private mutating func mark() async throws {
        let category = pick(0..<3, &random) == 0 ? ["like", "comment", "absent"][pick(0..<3, &random)] : nil
        let ids = sent.suffix(40).map(\.id.text).shuffled(using: &random)
        let selection: ReadSelection =
            switch pick(0..<8, &random) {
            case 0: .all
            case 1, 2: .upTo(ids.first ?? "none")
            default: .ids(Array(ids.prefix(pick(0..<6, &random))))
            }
        let event = Sample.eventID("mark-\(random.next())")
        let expected = model.markRead(selection, category: category, id: event, now: now)
        let outcome = try await stores.markRead(selection, category: category, of: user, id: event, at: now)
        try #require(outcome.entry == expected, "seed \(seed): \(outcome.entry?.frame.text ?? "nothing appended")")
        try #require(outcome.counts == model.counts, "seed \(seed)")
    }

    /// Lets time pass and everything that is over be retracted; the order of retractions is the store's choice.
    private mutating func moveTime() async throws {
        now += Int64(pick(1..<20_000, &random))
        let entries = try await stores.expireAll(of: user, at: now).flatMap(\.entries)
        for entry in entries {
            try #require(entry.seq == model.nextSeq && entry.previous == model.previous, "seed \(seed)")
            let over = model.items.filter { ($0.content.expiresAtMilliseconds ?? .max) <= now }
            let counting = model.unread.notifications - over.filter { !$0.read }.count
            let item = InboxStoreContract.retractedItem(entry, at: now, unread: counting)
            try #require(over.contains { $0.id == item }, "seed \(seed)")
            model.items.removeAll { $0.id == item }
            model.entries.append(entry)
        }
        try #require(
            !model.items.contains { ($0.content.expiresAtMilliseconds ?? .max) <= now }, "seed \(seed): not retracted")
    }

    func compareAll() async throws {
        let items = try await stores.items(of: user, limit: 9, at: now).map(\.text)
        let expected = model.items.reversed().map {
            EventFrames.item(id: $0.id, rest: $0.content.rest, read: $0.read).text
        }
        try #require(items == expected, "seed \(seed)")
        try #require(try await stores.drift(of: user, at: now) == 0, "seed \(seed)")
        let head = try await stores.open(user).head
        try #require(head.seq == Int64(model.entries.count) && head.last == model.previous, "seed \(seed)")
        let tail = model.entries.suffix(stores.limits.timelineEvents)
        let page = try await stores.read(user, after: head.seq - Int64(tail.count))
        try #require(page.resync == nil, "seed \(seed)")
        try #require(
            page.entries == tail.map { TimelineEntry(seq: $0.seq, id: $0.id, frame: $0.frame) }, "seed \(seed)")
    }
}
