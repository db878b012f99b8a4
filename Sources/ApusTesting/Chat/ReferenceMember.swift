import Chat
import Core
import Notifications
import Timelines

/// A user's side of conversations as plain arrays: what `MembershipStore` means, to be read beside its contract.
struct ReferenceMember: Sendable {
    /// A conversation as the user's side knows it.
    struct Seat: Sendable {
        var cursor: EntryPosition?
        var counts = ConversationCounts()
        /// In the list; someone who left keeps the cursor alone.
        var isListed = false
        var isMuted = false
        /// The `seq` of the newest message, or of becoming a member.
        var activity: Int64 = 0
    }

    let epoch = RandomToken.make(length: 8)
    let user: UserID
    private(set) var entries: [TimelineEntry] = []
    private var seats: [ConversationID: Seat] = [:]
    private(set) var blocks: [UserID] = []
    /// Which message of which conversation an entry's body belongs to, by `seq` - 1.
    private var bodies: [(conversation: ConversationID, n: Int64)?] = []
    private var notifications: [(id: String, category: String, isRead: Bool)] = []
    private var rests: [[UInt8]] = []

    init(user: UserID) { self.user = user }

    var head: TimelineHead {
        TimelineHead(epoch: epoch, seq: Int64(entries.count), last: entries.last?.id ?? "")
    }

    var unread: Unread {
        let counting = seats.values.filter { $0.isListed && !$0.isMuted }
        return Unread(
            messages: counting.reduce(0) { $0 + $1.counts.unread },
            notifications: notifications.filter { !$0.isRead }.count)
    }

    private mutating func append(
        _ id: String, body: (ConversationID, Int64)? = nil, _ frame: (Int64) -> [UInt8]
    ) -> AppendedEntry {
        let seq = head.seq + 1
        let entry = AppendedEntry(seq: seq, id: id, previous: head.last, frame: frame(seq))
        entries.append(TimelineEntry(seq: seq, id: id, frame: entry.frame))
        bodies.append(body)
        return entry
    }

    // MARK: Advancing

    mutating func advance(in conversation: ConversationID, by step: AdvanceStep, now: Int64) -> AdvanceOutcome {
        var seat = seats[conversation] ?? Seat()
        switch step.mode {
        case .follow: break
        case .join:
            if seat.cursor.map({ $0.number < step.from.number }) ?? true { seat.cursor = step.from }
        case .aside(let force):
            return .advanced(aside(step.entries, force, in: conversation))
        case .reset(let id, let counts):
            return .advanced(reset(to: step.from, counts, id, in: conversation, now: now))
        }
        let cursor = seat.cursor ?? .start
        if cursor.number < step.from.number { return .gap(after: seat.cursor) }
        let passed = Int(cursor.number - step.from.number)
        if passed > step.entries.count { return .beyond(cursor) }
        guard (passed == 0 ? step.from : step.entries[passed - 1].position) == cursor else { return .forked }
        seats[conversation] = seat
        let appended = step.entries[passed...].map { take($0, in: conversation) }
        return .advanced(advance(appended, in: conversation))
    }

    private func advance(_ entries: [AppendedEntry], in conversation: ConversationID) -> AdvanceOutcome.Advance {
        AdvanceOutcome.Advance(
            entries: entries, routes: [],
            state: state(in: conversation) ?? MembershipState(readN: 0, conversationUnread: 0, unread: unread))
    }

    /// Appends the next entry of the log.
    private mutating func take(_ entry: LogEntry, in conversation: ConversationID) -> AppendedEntry {
        let before = unread
        var seat = seats[conversation] ?? Seat()
        seat.cursor = entry.position
        seat.counts.messages = entry.messages
        var body: (ConversationID, Int64)?
        var isActivity = false
        switch entry.content {
        case .message:
            isActivity = true
            if !conversation.isGroup { seat.isListed = true }
            if entry.author == user { seat.counts.own += 1 }
            body = (conversation, entry.messages)
        case .edited(let n, _): body = (conversation, n)
        case .recalled(let n): takeOut(n, of: conversation)
        case .reaction: break
        case .read(let n, let own):
            if entry.author == user { (seat.counts.readN, seat.counts.readOwn) = (n, own) }
        case .group(let change) where change.users.contains(user):
            switch change.kind {
            case .created, .added:
                isActivity = true
                seat.isListed = true
                seat.counts = ConversationCounts(messages: entry.messages, readN: entry.messages)
            case .removed, .left: seat.isListed = false
            case .updated: break
            }
        case .group: break
        }
        if isActivity { seat.activity = head.seq + 1 }
        seats[conversation] = seat
        return append(event: entry, in: conversation, body: body, before: before)
    }

    private mutating func append(
        event entry: LogEntry, in conversation: ConversationID, body: (ConversationID, Int64)?, before: Unread
    ) -> AppendedEntry {
        let after = unread
        var isOwnRead = false
        if case .read = entry.content { isOwnRead = entry.author == user }
        let counts = seats[conversation]?.counts
        let user = user
        return append(entry.position.id, body: body) {
            ChatFrames.event(
                seq: $0, entry, in: conversation, for: user, unread: after == before ? nil : after,
                conversationUnread: isOwnRead ? counts?.unread : nil)
        }
    }

    /// A recall takes the body out of what the timeline holds of that message.
    private mutating func takeOut(_ n: Int64, of conversation: ConversationID) {
        for (index, body) in bodies.enumerated() {
            guard let body, body.conversation == conversation, body.n == n else { continue }
            entries[index].frame = ChatFrames.withoutBody(entries[index].frame)
        }
    }

    private mutating func aside(
        _ entries: [LogEntry], _ force: Bool, in conversation: ConversationID
    ) -> AdvanceOutcome.Advance {
        guard var seat = seats[conversation], seat.isListed, let entry = entries.first,
            case .read(let n, let own) = entry.content, n > seat.counts.readN || force && n != seat.counts.readN
        else { return advance([], in: conversation) }
        let before = unread
        (seat.counts.readN, seat.counts.readOwn) = (n, own)
        seats[conversation] = seat
        return advance([append(event: entry, in: conversation, body: nil, before: before)], in: conversation)
    }

    private mutating func reset(
        to head: EntryPosition, _ counts: ConversationCounts, _ id: EventID, in conversation: ConversationID,
        now: Int64
    ) -> AdvanceOutcome.Advance {
        var seat = seats[conversation] ?? Seat()
        guard seat.cursor != head || seat.counts != counts || !seat.isListed else {
            return advance([], in: conversation)
        }
        if !seat.isListed { seat.activity = self.head.seq + 1 }
        (seat.cursor, seat.counts, seat.isListed) = (head, counts, true)
        seats[conversation] = seat
        let unread = unread
        let entry = append(id.text) {
            ChatFrames.reset(seq: $0, id: id.text, timestamp: now, conversation: conversation, unread: unread)
        }
        return advance([entry], in: conversation)
    }

    // MARK: The list and the settings

    func state(in conversation: ConversationID) -> MembershipState? {
        guard let seat = seats[conversation], seat.isListed else { return nil }
        return MembershipState(
            readN: seat.counts.readN, conversationUnread: seat.counts.unread, unread: unread)
    }

    func list(before cursor: String?, limit: Int) -> MembershipPage {
        let before = cursor.map { Int64($0) ?? 0 } ?? .max
        let listed = seats.filter { $0.value.isListed && $0.value.activity < before }
            .sorted { $0.value.activity > $1.value.activity }
        let page = listed.prefix(limit)
        return MembershipPage(
            memberships: page.map {
                Membership(
                    conversation: $0.key, cursor: $0.value.cursor ?? .start, counts: $0.value.counts,
                    isMuted: $0.value.isMuted)
            },
            cursor: listed.count > limit ? page.last.map { String($0.value.activity) } : nil)
    }

    mutating func apply(_ change: PersonalChange, id: EventID, now: Int64) -> PersonalOutcome? {
        switch change {
        case .mute(let conversation, let on):
            guard var seat = seats[conversation], seat.isListed else { return nil }
            guard seat.isMuted != on else { return PersonalOutcome(entry: nil, routes: []) }
            seat.isMuted = on
            seats[conversation] = seat
            let unread = unread
            let entry = append(id.text) {
                ChatFrames.mute(
                    seq: $0, id: id.text, timestamp: now, conversation: conversation, on: on, unread: unread)
            }
            return PersonalOutcome(entry: entry, routes: [])
        case .block(let other, let on):
            guard blocks.contains(other) != on else { return PersonalOutcome(entry: nil, routes: []) }
            if on { blocks.append(other) } else { blocks.removeAll { $0 == other } }
            let entry = append(id.text) {
                ChatFrames.block(seq: $0, id: id.text, timestamp: now, user: other, on: on)
            }
            return PersonalOutcome(entry: entry, routes: [])
        }
    }

    // MARK: What the other ports show

    var counts: InboxCounts {
        let categories = notifications.filter { !$0.isRead }.map { ($0.category, 1) }
        return InboxCounts(unread: unread, byCategory: Dictionary(categories, uniquingKeysWith: +))
    }

    mutating func notify(_ notification: Notification) -> AppendOutcome {
        let id = notification.id.text
        if let seq = entries.first(where: { $0.id == id })?.seq {
            return AppendOutcome(entry: nil, seq: seq, item: id, routes: [])
        }
        notifications.append((id, notification.category, false))
        rests.append(notification.rest)
        let unread = unread
        let entry = append(id) {
            EventFrames.notification(seq: $0, notification, item: id, updated: false, unread: unread)
        }
        return AppendOutcome(entry: entry, seq: entry.seq, item: id, routes: [])
    }

    mutating func markAllRead(category: String?, id: EventID, now: Int64) -> ReadOutcome {
        let chosen = notifications.indices.filter {
            !notifications[$0].isRead && (category == nil || notifications[$0].category == category)
        }
        guard !chosen.isEmpty else { return ReadOutcome(entry: nil, counts: counts, routes: []) }
        for index in chosen { notifications[index].isRead = true }
        let unread = unread
        let entry = append(id.text) {
            EventFrames.inboxRead(
                seq: $0, id: id, timestamp: now, selection: .all, category: category, unread: unread)
        }
        return ReadOutcome(entry: entry, counts: counts, routes: [])
    }

    func inbox(_ query: InboxQuery) -> InboxPage {
        let items = notifications.indices.reversed().map {
            EventFrames.item(id: notifications[$0].id, rest: rests[$0], read: notifications[$0].isRead)
        }
        return InboxPage(items: Array(items.prefix(query.limit)), cursor: nil, counts: counts)
    }
}
