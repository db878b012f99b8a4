/// G8, as far as a history shows it: nobody is said to be offline who has a session on a healthy node, and nobody is said to
/// be online who went with a node that died or stood still, and did not come back.
struct PresenceCheck {
    /// After the death of a node, and after a node that says something was itself away.
    static let goneMax: Moment = 15_000_000
    /// How late a device may notice that its session was ended by the node.
    static let closeLag: Moment = 2_000_000

    /// Every contradiction, in words.
    private(set) var findings: [String] = []
    /// Users who went with their node and did not come back.
    private(set) var gone: Set<String> = []
    /// For how long one of them was still said to be online, at most.
    private(set) var shownOnline: Moment = 0
    private let stays: [String: [Stay]]
    private let outages: [String: [NodeOutage]]

    /// A session, as its device knows it.
    private struct Stay {
        var node: String
        var from: Moment
        var until: Moment?
    }

    init(_ history: History) {
        outages = Dictionary(grouping: history.outages, by: \.node)
        var stays: [String: [Stay]] = [:]
        for device in history.devices {
            stays[device.user, default: []] += device.sessions.map {
                Stay(node: $0.node, from: $0.openedAt, until: $0.closedAt)
            }
        }
        self.stays = stays
        gone = Set(stays.keys.filter { goneSince($0, before: .max) != nil })
        for sample in history.presence {
            for user in sample.offline { checkOffline(user, sample) }
            for user in sample.online { checkOnline(user, sample) }
        }
    }

    private func wasWell(_ node: String, from: Moment, until: Moment, after pause: Moment = 0) -> Bool {
        !(outages[node] ?? []).contains { outage in
            outage.from <= until && outage.until.map { $0 + pause >= from } ?? true
        }
    }

    /// Wrong when one session was there all the time.
    private mutating func checkOffline(_ user: String, _ sample: PresenceSample) {
        guard wasWell(sample.node, from: sample.from, until: sample.until) else { return }
        let stay = stays[user]?.first { stay in
            stay.from <= sample.from && stay.until.map { $0 >= sample.until + Self.closeLag } ?? true
                && wasWell(stay.node, from: sample.from, until: sample.until)
        }
        guard let stay else { return }
        findings.append(
            "\(sample.node) said at \(seconds(sample.until)) that \(user) is offline, who was on \(stay.node) from "
                + "\(seconds(stay.from)) to \(stay.until.map(seconds) ?? "the end")")
    }

    /// Wrong when the user has gone with a node some time ago.
    private mutating func checkOnline(_ user: String, _ sample: PresenceSample) {
        guard let since = goneSince(user, before: sample.until),
            wasWell(sample.node, from: sample.from, until: sample.until, after: Self.goneMax)
        else { return }
        if gone.contains(user) { shownOnline = max(shownOnline, sample.from - since) }
        guard sample.from > since + Self.goneMax else { return }
        findings.append(
            "\(sample.node) said at \(seconds(sample.until)) that \(user) is online, who was gone with a node at "
                + seconds(since))
    }

    /// Since when nothing is left of the user's sessions, when the last one went with its node.
    private func goneSince(_ user: String, before now: Moment) -> Moment? {
        var last: (moment: Moment, isByOutage: Bool)?
        for stay in stays[user] ?? [] where stay.from <= now {
            guard let until = stay.until, until <= now else { return nil }
            let outage = (outages[stay.node] ?? []).first { outage in
                outage.from > stay.from && outage.from <= until && outage.until.map { $0 >= until } ?? true
            }
            let end = outage?.from ?? until
            if last == nil || end > (last?.moment ?? 0) { last = (end, outage != nil) }
        }
        guard let last, last.isByOutage else { return nil }
        return last.moment
    }

    private func seconds(_ moment: Moment) -> String { "\(Double(moment / 10_000) / 100) s" }
}
