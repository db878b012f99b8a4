import CEvents
import Glibc
import Wire

/// Getting connected, and coming back as the protocol's codes say (PROTOCOL §2.5).
extension Worker {
    /// Handshakes under way at once while sessions come in for the first time. Offered more than they carry, nodes
    /// whose answers take ever longer would end in time-outs, and the run with them; so the ramp slows down instead.
    /// Who comes back does not wait: after an outage clients come all at once.
    private var handshakesMax: Int { setup.handshakesMax }
    private static let handshakeSeconds: UInt64 = 20
    /// Connects in one turn of the loop, so that reading is not kept waiting.
    private static let returnsPerTurn = 256
    private static let backoffMilliseconds: ClosedRange<UInt64> = 200...10_000

    func startRamp(to target: Int, perSecond: Double) {
        self.target = min(target, setup.count)
        rampRate = perSecond
        rampStart = Clock.now()
        rampBase = begun
        tellsHolding = true
        checkHolding()
    }

    /// Begins as many sessions as are due. - Returns: When to look again.
    func ramp(_ now: UInt64) -> UInt64 {
        guard begun < target else { return .max }
        let due = rampBase + Int(Double(now - rampStart) / 1e9 * rampRate) + 1
        // What could not begin in time is made up for as soon as there is room.
        while begun < min(due, target), handshakes < handshakesMax {
            begun += 1
            begin(begun - 1, now)
        }
        guard begun < target else { return .max }
        if handshakes >= handshakesMax {
            if begun < due { tally.paced += 1 }
            return now + 5 * Clock.millisecond
        }
        return max(rampStart + UInt64(Double(begun - rampBase) / rampRate * 1e9), now + Clock.millisecond / 5)
    }

    /// The first attempt of a session.
    private func begin(_ session: Int, _ now: UInt64) {
        let record = records + session
        record.pointee.since = now
        record.pointee.flags.insert(.due)
        if setup.slowShare > 0, Double(random.below(1_000_000)) < setup.slowShare * 1e6 {
            record.pointee.flags.insert(.slow)
        }
        connect(session, now)
    }

    /// Connects those whose time has come: again, or after a first attempt that failed. - Returns: When to look again.
    func comeBack(_ now: UInt64) -> UInt64 {
        var left = Self.returnsPerTurn
        while left > 0, let session = returning.next(by: now) {
            comeBack(Int(session), now)
            left -= 1
        }
        while left > 0, handshakes < handshakesMax, let session = arriving.next(by: now) {
            comeBack(Int(session), now)
            left -= 1
        }
        let arrival = arriving.first.map { handshakes < handshakesMax ? $0 : max($0, now + 5 * Clock.millisecond) }
        return min(returning.first ?? .max, arrival ?? .max)
    }

    private func comeBack(_ session: Int, _ now: UInt64) {
        guard !staysAway else { return }
        let record = records + session
        if record.pointee.phase == .waiting { return connect(session, now) }
        guard record.pointee.flags.contains(.draining), record.pointee.isConnected else { return }
        // The node said when to leave, and has not closed yet.
        leave(session, now)
        record.pointee.since = now
        record.pointee.flags.insert(.due)
        record.pointee.flags.remove(.dropped)
        connect(session, now)
    }

    /// Milliseconds of the run; times of two of them are compared by their difference.
    func milliseconds(_ time: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: (time &- setup.origin) / Clock.millisecond)
    }

    private func destination(_ session: Int) -> (Endpoint, UInt32?) {
        let global = setup.first + session
        let target = setup.targets[global % setup.targets.count]
        guard !setup.sources.isEmpty else { return (target, nil) }
        return (target, setup.sources[global / setup.targets.count % setup.sources.count])
    }

    private func connect(_ session: Int, _ now: UInt64) {
        let record = records + session
        let (target, source) = destination(session)
        record.pointee.changed = milliseconds(now)
        record.pointee.generation &+= 1
        switch Sockets.connect(to: target, from: source, isSlow: record.pointee.flags.contains(.slow)) {
        case .failed(let code): couldNotConnect(session, code, now)
        case .started(let descriptor):
            record.pointee.descriptor = descriptor
            record.pointee.phase = .connecting
            handshakes += 1
            do {
                try poller.add(descriptor, tag: UInt64(record.pointee.generation) << 32 | UInt64(session))
            } catch {
                couldNotConnect(session, errno, now)
            }
        }
    }

    func couldNotConnect(_ session: Int, _ code: Int32, _ now: UInt64) {
        tally.failures += 1
        let (target, source) = destination(session)
        let text = Sockets.explain(code, target, source: source)
        problem(text)
        // Ports that a storm has used up come free again: who was in before tries again, as a client would.
        let isHopeless =
            [EMFILE, ENFILE, EACCES, EINVAL].contains(code)
            || (code == EADDRNOTAVAIL && !records[session].flags.contains(.welcomed))
        if isHopeless || (code == ECONNREFUSED && !everHeld && records[session].attempts >= 3) { fatal(text) }
        shut(session)
        again(session, now)
    }

    func fatal(_ text: String) {
        tell(.fatal(text))
        isDone = true
    }

    // MARK: The handshake

    func sendHandshake(_ session: Int) {
        records[session].phase = .upgrading
        scratch.removeAll(keepingCapacity: true)
        if let dialect {
            dialect.appendHandshake(session: session, setup, users, to: &scratch)
        } else {
            scratch += Array("GET \(setup.path) HTTP/1.1\r\nHost: \(setup.host)\r\n".utf8) + Self.upgradeFields
        }
        write(scratch, session)
    }

    private static let upgradeFields = Array(
        """
        Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: apus.v1\r\n\r\n
        """.utf8)

    /// Reads the answer to the upgrade. - Returns: How many bytes it has; 0 while it is not whole.
    // SAFETY: `bytes` is the worker's buffer, read inside this call.
    func takeHandshake(_ session: Int, _ bytes: UnsafeRawBufferPointer) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        let found = apus_find(base, bytes.count, "\r\n\r\n", 4)
        guard found >= 0 else { return 0 }
        let end = found + 4
        let head = UnsafeRawBufferPointer(rebasing: bytes[..<end])
        if head.starts(with: "HTTP/1.1 101 ".utf8) {
            records[session].phase = .greeting
            greet(session)
            return end
        }
        refusedUpgrade(session, String(decoding: head, as: UTF8.self))
        return end
    }

    private func greet(_ session: Int) {
        if let dialect {
            for frame in dialect.firstFrames(session: session, setup, users) { send(frame, session) }
            if dialect.isReadyAtOnce { nowOpen(session) }
            return
        }
        let record = records + session
        var hello = Array(#"{"id":"h","op":"hello","token":""#.utf8)
        users.appendToken(session, to: &hello)
        hello += Array("\",\"device\":\"load\"".utf8)
        if record.pointee.flags.contains(.welcomed) {
            hello += Array(",\"resume\":{\"epoch\":\"".utf8)
            record.pointee.epoch.append(to: &hello)
            hello += Array("\",\"seq\":".utf8)
            Decimal.append(UInt64(ledger.highest(.seq, session)), to: &hello)
            if !record.pointee.last.isEmpty {
                hello += Array(",\"last\":\"".utf8)
                record.pointee.last.append(to: &hello)
                hello.append(UInt8(ascii: "\""))
            }
            hello.append(UInt8(ascii: "}"))
        }
        hello.append(UInt8(ascii: "}"))
        send(hello, session)
    }

    private func refusedUpgrade(_ session: Int, _ head: String) {
        let status = head.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        let line = head.prefix { $0 != "\r\n" && $0 != "\r" }
        if status == 401 {
            return fatal("the token was refused (401): check --secret or --tokens, and the node's APUS_AUTH_… settings")
        }
        guard status == 503 else {
            problem("the upgrade was answered: \(line)")
            tally.failures += 1
            if !everHeld, records[session].attempts >= 3 { fatal("the upgrade was refused: \(line)") }
            return lost(session, nil)
        }
        tally.refusals += 1
        let field = head.lowercased().firstMatch(of: /retry-after: *(\d+)/)
        let seconds = field.flatMap { UInt64($0.1) } ?? 1
        if let why = head.lowercased().contains("address") ? "address" : nil { problem("503 (\(why))") }
        shut(session)
        let jitter = UInt64(random.below(1000)) * Clock.millisecond
        wait(session, until: Clock.now() + seconds * Clock.second + jitter)
    }

    /// Handshakes that take too long are begun anew; looked at with every sample.
    func sweepHandshakes(_ now: UInt64) {
        guard handshakes > 0 else { return }
        let moment = milliseconds(now)
        for session in 0..<begun where records[session].descriptor >= 0 && !records[session].isConnected {
            guard moment &- records[session].changed > UInt32(Self.handshakeSeconds * 1000) else { continue }
            problem("no answer to the handshake within \(Self.handshakeSeconds) s")
            tally.failures += 1
            lost(session, nil)
        }
    }

    // MARK: Open and lost

    func nowOpen(_ session: Int) {
        let record = records + session
        if record.pointee.phase == .greeting { handshakes -= 1 }
        record.pointee.phase = .open
        record.pointee.attempts = 0
        record.pointee.flags.remove(.due)
        // Other servers have no welcome.
        if dialect != nil, !record.pointee.flags.contains(.welcomed) {
            record.pointee.flags.insert(.welcomed)
            cameIn(session)
        }
        listensNow(session)
        record.pointee.flags.insert(.wasOpen)
        held += 1
        everHeld = true
        checkHolding()
    }

    /// It is there for the first time.
    func cameIn(_ session: Int) {
        tally.connects += 1
        let now = Clock.now()
        connectLatency.record(nanoseconds: now > records[session].since ? now - records[session].since : 0)
    }

    private func checkHolding() {
        guard tellsHolding, held + givenUp >= target else { return }
        tellsHolding = false
        tell(.holding)
    }

    /// Closes the socket and forgets what belonged to it.
    func shut(_ session: Int, reset: Bool = false) {
        let record = records + session
        switch record.pointee.phase {
        case .open: held -= 1
        case .connecting, .upgrading, .greeting: if record.pointee.descriptor >= 0 { handshakes -= 1 }
        case .none, .waiting, .subscribing: break
        }
        if record.pointee.descriptor >= 0 {
            if reset { Sockets.reset(record.pointee.descriptor) } else { close(record.pointee.descriptor) }
        }
        record.pointee.descriptor = -1
        record.pointee.generation &+= 1
        record.pointee.phase = .none
        record.pointee.flags.subtract([.behind, .draining, .pullsLater, .subscribesLater])
        ledger.excuse(.live, session, .all)
        if setup.topics > 0 { ledger.excuse(.topic, session, .all) }
        if !carry.isEmpty { carry[session] = nil }
        if !unsent.isEmpty { unsent[session] = nil }
    }

    /// The connection ended, with a close frame of that code or without one.
    func lost(_ session: Int, _ code: UInt16?) {
        let now = Clock.now()
        let wasOpen = records[session].isConnected
        let wasTold = records[session].flags.contains(.draining)
        if wasOpen { tally.losses += 1 }
        // From now on it is the server that keeps it away.
        if records[session].isOpen { records[session].flags.remove(.dropped) }
        shut(session)
        guard let code else { return again(session, now) }
        switch code {
        case 4503:
            tally.refusals += 1
            again(session, now)
        case 1001, 1006, 1011, 1012, 4500...4599:
            problem("closed with \(code)")
            if wasTold { wait(session, until: now) } else { again(session, now) }
        default:
            ledger.note(.closed, session, "close", expected: "no close", got: "code \(code)")
            givenUp += 1
            checkHolding()
            if code == 4401, !everHeld { fatal("the token was refused (4401): check --secret or --tokens") }
        }
    }

    /// Comes back after a pause that doubles, with full jitter, so that a crowd does not come in step.
    private func again(_ session: Int, _ now: UInt64) {
        let attempts = records[session].attempts
        records[session].attempts = min(attempts + 1, 20)
        let bound = min(
            Self.backoffMilliseconds.lowerBound << UInt64(min(attempts, 10)), Self.backoffMilliseconds.upperBound)
        wait(session, until: now + (bound / 4 + UInt64(random.below(Int(bound)))) * Clock.millisecond)
    }

    func wait(_ session: Int, until due: UInt64) {
        guard !staysAway else { return }
        records[session].phase = .waiting
        if !records[session].flags.contains(.due) {
            records[session].since = due
            records[session].flags.insert(.due)
        }
        if records[session].flags.contains(.welcomed) {
            returning.add(Int32(session), due: due)
        } else {
            arriving.add(Int32(session), due: due)
        }
    }

    /// Breaks some connections, evenly over all that are open; after the pause they come back, all at once.
    func drop(_ count: Int, pauseMilliseconds: Int) {
        let open = (0..<begun).filter { records[$0].isOpen }
        let count = min(max(0, count), open.count)
        let due = Clock.now() + UInt64(pauseMilliseconds) * Clock.millisecond
        for number in 0..<count {
            let session = open[number * open.count / count]
            shut(session, reset: true)
            records[session].flags.insert(.dropped)
            wait(session, until: due)
        }
        tellsHolding = true
        checkHolding()
    }

    /// Closes as a client that goes: with 1000.
    func leave(_ session: Int, _ now: UInt64) {
        scratch.removeAll(keepingCapacity: true)
        FrameEncoder.appendClient(.close, [3, 232], mask: mask(), to: &scratch)
        write(scratch, session)
        shut(session)
    }
}
