import Testing

/// ann is on gw-1 from second 10 to second 60, ben on gw-2 from second 10 on. gw-2 says something at second 30.
private struct Planted {
    var history = History()

    init() {
        history.devices = [Self.device("ann", on: "gw-1", 10, 60), Self.device("ben", on: "gw-2", 10, nil)]
    }

    static func device(_ user: String, on node: String, _ from: Double, _ until: Double?) -> DeviceRecord {
        var session = SessionRecord(
            node: node, openedAt: moment(from), epoch: "e", head: Seen(seq: 0, id: ""), resumed: false, afresh: [])
        session.closedAt = until.map(moment)
        return DeviceRecord(user: user, name: user, sessions: [session], isSettled: false)
    }

    static func moment(_ seconds: Double) -> Moment { Moment(seconds * 1_000_000) }

    /// From then on, and for half a second.
    mutating func say(_ node: String = "gw-2", at second: Double, online: [String] = [], offline: [String] = []) {
        history.presence.append(
            PresenceSample(
                node: node, from: Self.moment(second), until: Self.moment(second + 0.5), online: online,
                offline: offline))
    }

    mutating func outage(_ node: String, _ from: Double, _ until: Double?) {
        history.outages.append(
            NodeOutage(node: node, from: Self.moment(from), until: until.map(Self.moment)))
    }
}

@Suite("The checker finds false presence that is planted")
struct PresenceCheckTests {
    private func expect(
        _ lies: Int, sourceLocation: SourceLocation = #_sourceLocation, _ plant: (inout Planted) -> Void
    ) {
        var planted = Planted()
        plant(&planted)
        let verdict = Checker.check(planted.history)
        #expect(verdict[.falsePresence] == lies, "\(verdict)", sourceLocation: sourceLocation)
        #expect(verdict.kinds.isSubset(of: [.falsePresence]), "\(verdict)", sourceLocation: sourceLocation)
    }

    @Test("what is true is no lie")
    func truth() {
        expect(0) {
            $0.say(at: 30, online: ["ann", "ben"], offline: ["nobody"])
            $0.say(at: 5, offline: ["ann", "ben"])
            $0.say(at: 61, offline: ["ann"])
        }
    }

    @Test("offline, of somebody who has a session on a healthy node all the time, is one; each is counted")
    func falseOffline() {
        expect(1) { $0.say(at: 30, offline: ["ann"]) }
        expect(2) { $0.say(at: 30, offline: ["ann", "ben"]) }
        // Another session that ended earlier changes nothing.
        expect(1) {
            $0.history.devices.append(Planted.device("ann", on: "gw-3", 12, 20))
            $0.say(at: 30, offline: ["ann"])
        }
    }

    @Test("offline is none while a session begins, or when it ends at about that time")
    func atTheEdges() {
        expect(0) { $0.say(at: 9.8, offline: ["ann"]) }
        expect(1) { $0.say(at: 10, offline: ["ann"]) }
        expect(0) { $0.say(at: 59.8, offline: ["ann"]) }
        // The device may not have noticed yet.
        expect(0) { $0.say(at: 58, offline: ["ann"]) }
        expect(1) { $0.say(at: 57.5, offline: ["ann"]) }
        // Two sessions with a moment between them, in which it was true.
        expect(0) {
            $0.history.devices[0] = Planted.device("ann", on: "gw-1", 10, 30.1)
            $0.history.devices.append(Planted.device("ann", on: "gw-3", 30.2, nil))
            $0.say(at: 30, offline: ["ann"])
        }
    }

    @Test("a session on a node that stands still proves nothing, nor does the word of a node that stood still")
    func unwell() {
        expect(0) {
            $0.outage("gw-1", 20, 40)
            $0.say(at: 30, offline: ["ann"])
        }
        expect(0) {
            $0.outage("gw-2", 30.2, nil)
            $0.say(at: 30, offline: ["ann"])
        }
        expect(1) {
            $0.outage("gw-1", 20, 29)
            $0.outage("gw-2", 31, nil)
            $0.say(at: 30, offline: ["ann"])
        }
    }

    @Test("online is one when the user went with a node more than 15 s ago and did not come back")
    func falseOnline() {
        let die: (inout Planted) -> Void = {
            $0.history.devices[0] = Planted.device("ann", on: "gw-1", 10, 20.1)
            $0.outage("gw-1", 20, nil)
        }
        expect(1) {
            die(&$0)
            $0.say(at: 35.1, online: ["ann"])
        }
        expect(0) {
            die(&$0)
            $0.say(at: 35, online: ["ann"])
            $0.say(at: 36, offline: ["ann"])
        }
        // Since the node stood still, not since the device had enough of it.
        expect(1) {
            die(&$0)
            $0.history.devices[0] = Planted.device("ann", on: "gw-1", 10, 28)
            $0.say(at: 35.1, online: ["ann"])
        }
        // Came back elsewhere, and went as usual.
        expect(0) {
            die(&$0)
            $0.history.devices.append(Planted.device("ann", on: "gw-3", 22, 40))
            $0.say(at: 39, online: ["ann"])
            $0.say(at: 60, online: ["ann"])
        }
        // The one who says it was dead itself a moment ago.
        expect(0) {
            die(&$0)
            $0.outage("gw-2", 25, 30)
            $0.say(at: 40, online: ["ann"])
        }
        expect(1) {
            die(&$0)
            $0.outage("gw-2", 15, 20)
            $0.say(at: 40, online: ["ann"])
        }
    }

    @Test("how long one who is gone was shown is told")
    func shown() {
        var planted = Planted()
        planted.history.devices[0] = Planted.device("ann", on: "gw-1", 10, 20)
        planted.outage("gw-1", 20, 50)
        planted.say(at: 25, online: ["ann", "ben"])
        planted.say(at: 32, online: ["ann", "ben"])
        planted.say(at: 33, online: ["ben"], offline: ["ann"])
        let verdict = Checker.check(planted.history)
        #expect(verdict.isClean && verdict.gone == 1 && verdict.goneShownSeconds == 12, "\(verdict)")
        #expect(verdict.presenceSamples == 3)
    }
}
