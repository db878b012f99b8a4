import Core
import NIOCore
import Testing

@testable import RedisStore

/// The connection without sockets: what happened goes in, what to do comes out.
@Suite("The state of a connection")
struct RedisConnectionStateTests {
    private var state = RedisConnectionState(
        configuration: Self.configuration, steps: [Self.step(.name), Self.step(.role), Self.step(.load(.append))])

    private static let configuration: RedisConfiguration = {
        var configuration = RedisConfiguration(host: "test")
        configuration.commandsInFlightMax = 4
        configuration.bytesInFlightMax = 100
        configuration.deadlineMilliseconds = 1000
        return configuration
    }()

    private static func step(_ kind: HandshakeStep.Kind) -> HandshakeStep {
        HandshakeStep(kind, RedisArguments("step"))
    }

    private static let digest = RedisReply.text(Array(repeating: 97, count: 40))
    private static let ok = RedisReply.text(Array("OK".utf8))
    private static let master = RedisReply.list([.text(Array("master".utf8)), .integer(0), .list([])])
    private static let forgotten = RedisReply.error("NOSCRIPT No matching script. Please use EVAL.")

    private static func call(_ name: String, deadline: UInt64 = 5_000) -> RedisCall {
        RedisCall(bytes: ByteBuffer(string: name), startedAt: 0, deadline: deadline, done: { _ in })
    }

    /// Submits and says what came of it.
    private mutating func submit(_ name: String, deadline: UInt64 = 5_000, isAsking: Bool = false) -> String {
        var call = Self.call(name, deadline: deadline)
        call.isAsking = isAsking
        return switch state.submit(call) {
        case .write(let bytes): "write \(String(buffer: bytes))"
        case .hold: "hold"
        case .refuse(let error): "refuse \(error.outcome)"
        }
    }

    /// What an answer led to, in words.
    private mutating func receive(_ reply: RedisReply) -> [String] {
        let reception = state.received(reply, now: 0)
        var said: [String] = []
        for (call, result) in reception.answered {
            switch result {
            case .success: said.append("\(String(buffer: call.bytes)) ok")
            case .failure(let error): said.append("\(String(buffer: call.bytes)) \(error.outcome)")
            }
        }
        said += reception.refused.map { "\(String(buffer: $0.call.bytes)) \($0.error.outcome)" }
        if !reception.write.isEmpty { said.append("write " + reception.write.map { name($0) }.joined(separator: ",")) }
        switch reception.next {
        case .goOn: break
        case .ready: said.append("ready")
        case .close(let error): said.append("close \(error.kind)")
        }
        return said
    }

    private func name(_ bytes: ByteBuffer) -> String {
        let text = String(buffer: bytes)
        return text.hasPrefix("*") ? "step" : text
    }

    private func names(_ failed: [(call: RedisCall, error: StoreError)]) -> [String] {
        failed.map { "\(String(buffer: $0.call.bytes)) \($0.error.outcome)" }
    }

    private mutating func becomeReady() {
        #expect(state.connected(now: 0).count == 3)
        #expect(receive(Self.ok).isEmpty)
        #expect(receive(Self.master).isEmpty)
        #expect(receive(Self.digest) == ["ready"])
        #expect(state.isReady)
    }

    @Test("takes commands only when the handshake is done")
    mutating func handshake() {
        #expect(submit("a") == "refuse notStored")
        _ = state.connected(now: 0)
        #expect(submit("a") == "refuse notStored")
        for reply in [Self.ok, Self.master] {
            #expect(receive(reply).isEmpty)
            #expect(submit("a") == "refuse notStored")
        }
        #expect(receive(Self.digest) == ["ready"])
        #expect(submit("a") == "write a")
    }

    @Test("gives answers to those who asked, in their order")
    mutating func pipelining() {
        becomeReady()
        for name in ["a", "b", "c"] { #expect(submit(name) == "write \(name)") }
        #expect(receive(Self.ok) == ["a ok"])
        #expect(receive(.error("OOM full")) == ["b notStored"])
        #expect(submit("d") == "write d")
        #expect(receive(.null) == ["c ok"])
        #expect(receive(.error("ERR strange")) == ["d unknown"])
        #expect(state.callsInFlight == 0)
    }

    @Test("refuses a replica, a wrong password and what else the handshake shows")
    mutating func refusals() {
        let slave = RedisReply.list([.text(Array("slave".utf8))])
        let cases: [(HandshakeStep.Kind, RedisReply, RedisStartError.Kind?)] = [
            (.role, slave, .unsuitable), (.role, .error("NOPERM no role"), nil), (.name, .error("ERR what"), nil),
            (.auth, .error("WRONGPASS invalid"), .refused), (.auth, .error("ERR Client sent AUTH"), .refused),
            (.auth, .error("LOADING wait"), .unreachable), (.load(.append), .error("NOAUTH required"), .refused),
            (.load(.append), .error("NOPERM no script"), .refused), (.load(.append), .error("LOADING"), .unreachable),
            (.load(.append), Self.ok, .unreachable), (.select, .error("ERR DB index is out of range"), .configuration),
        ]
        for (kind, reply, expected) in cases {
            state = RedisConnectionState(configuration: Self.configuration, steps: [Self.step(kind), Self.step(.name)])
            _ = state.connected(now: 0)
            let said = receive(reply)
            #expect(said == (expected.map { ["close \($0)"] } ?? []), "\(kind) \(reply)")
        }
    }

    @Test("takes so many commands and bytes in flight, and no more")
    mutating func bounds() {
        becomeReady()
        for name in ["a", "b", "c", "d"] { #expect(submit(name) == "write \(name)") }
        #expect(submit("e") == "refuse notStored")
        #expect(receive(Self.ok) == ["a ok"])
        #expect(submit("e") == "write e")
        for _ in 0..<4 { _ = receive(Self.ok) }
        let big = String(repeating: "x", count: 60)
        #expect(submit(big) == "write \(big)")
        #expect(submit(big) == "refuse notStored")
        #expect(submit("small") == "write small")
        _ = receive(.error("ERR x"))
        #expect(submit(big) == "write \(big)")
    }

    @Test("tells those whose command was written that nothing is known, when the connection is lost")
    mutating func losing() {
        becomeReady()
        _ = submit("a")
        _ = submit("b")
        #expect(names(state.lost("gone")) == ["a unknown", "b unknown"])
        #expect(submit("c") == "refuse notStored")
        #expect(state.lost("again").isEmpty && state.nextDeadline(heardAt: 0) == nil)
        becomeReady()
        #expect(submit("d") == "write d")
        #expect(receive(Self.ok) == ["d ok"])
    }

    /// Who came too late, in words.
    private mutating func late(_ now: UInt64, heardAt: UInt64) -> String {
        switch state.late(now: now, heardAt: heardAt) {
        case .none: "none"
        case .silent: "silent"
        case .slow(let calls): calls.map { String(buffer: $0.bytes) }.joined(separator: ",")
        }
    }

    private static let second: UInt64 = 1_000_000_000

    @Test("is of no use when the server is silent for as long as a command may take")
    mutating func silence() {
        _ = state.connected(now: 7)
        #expect(state.nextDeadline(heardAt: 7) == Self.second + 7, "the handshake has a deadline too")
        let handshake = [late(Self.second + 6, heardAt: 7), late(Self.second + 7, heardAt: 7)]
        #expect(handshake == ["none", "silent"])
        for reply in [Self.ok, Self.master, Self.digest] { _ = receive(reply) }
        let idle = late(.max, heardAt: 0)
        #expect(state.nextDeadline(heardAt: 0) == nil && idle == "none")
        // Nothing was said since long before the command was sent.
        _ = submit("a", deadline: 3 * Self.second)
        let unanswered = [late(3 * Self.second - 1, heardAt: 5), late(3 * Self.second, heardAt: 5)]
        #expect(unanswered == ["none", "silent"])
    }

    @Test("a slow server is kept: who came too late is told, and the answer that comes later is for nobody")
    mutating func slowness() {
        becomeReady()
        let s = Self.second
        _ = submit("a", deadline: 10 * s)
        _ = submit("b", deadline: 10 * s + 1)
        _ = submit("c", deadline: 11 * s)
        let first = late(10 * s + 1, heardAt: 10 * s)
        #expect(first == "a,b")
        #expect(state.nextDeadline(heardAt: 10 * s) == 11 * s, "the next one's, and the silence's")
        // They still take their places, so that nothing is without bound.
        #expect(submit("d", deadline: 12 * s) == "write d")
        #expect(submit("e") == "refuse notStored")
        #expect(receive(Self.ok).isEmpty && receive(.error("MOVED 1 x:1")).isEmpty)
        #expect(submit("f", deadline: 12 * s) == "write f")
        #expect(receive(Self.ok) == ["c ok"] && receive(Self.ok) == ["d ok"])
        let fine = late(11 * s, heardAt: 11 * s)
        #expect(fine == "none")
    }

    @Test("a slow server that falls silent is given up, and nobody is told twice")
    mutating func slowThenSilent() {
        becomeReady()
        let s = Self.second
        _ = submit("a", deadline: 10 * s)
        let slow = late(10 * s, heardAt: 10 * s - 1)
        _ = submit("b", deadline: 20 * s)
        #expect(slow == "a" && state.nextDeadline(heardAt: 10 * s - 1) == 11 * s - 1)
        let silent = late(11 * s - 1, heardAt: 10 * s - 1)
        #expect(silent == "silent")
        #expect(names(state.lost("gone")) == ["b unknown"])
        becomeReady()
        _ = submit("c", deadline: 10 * s)
        #expect(receive(Self.ok) == ["c ok"])
    }

    @Test("refuses what would stand behind many late commands, but no lease, until the server has done them")
    mutating func shedding() {
        var configuration = Self.configuration
        (configuration.commandsInFlightMax, configuration.bytesInFlightMax) = (1000, 10_000)
        state = RedisConnectionState(
            configuration: configuration, steps: [Self.step(.name), Self.step(.role), Self.step(.load(.append))])
        becomeReady()
        let s = Self.second
        for number in 0..<20 { _ = submit("\(number)", deadline: 10 * s) }
        for _ in 0..<60 { _ = submit("x", deadline: 20 * s) }
        let told = late(10 * s, heardAt: 10 * s - 1).split(separator: ",").count
        #expect(told == 20 && state.lateCalls == 20)
        #expect(submit("y", deadline: 20 * s) == "refuse notStored")
        var lease = Self.call("lease", deadline: 20 * s)
        lease.isVital = true
        guard case .write = state.submit(lease) else { return #expect(Bool(false), "a lease is renewed") }
        #expect(receive(Self.ok).isEmpty)
        #expect(submit("y", deadline: 20 * s) == "write y", "19 of 80: less than a quarter")
        for _ in 0..<19 { #expect(receive(Self.ok).isEmpty) }
        #expect(state.lateCalls == 0 && receive(Self.ok) == ["x ok"])
    }

    @Test("closing waits only for answers that somebody waits for")
    mutating func closingLate() {
        becomeReady()
        let s = Self.second
        _ = submit("a", deadline: 10 * s)
        _ = submit("b", deadline: 11 * s)
        let slow = late(10 * s, heardAt: 10 * s - 1)
        #expect(slow == "a")
        #expect(!state.drain("closed").idle, "b is waited for")
        let later = late(11 * s, heardAt: 11 * s - 1)
        #expect(later == "b" && state.isSettled)
        #expect(state.lost("closed").isEmpty)
        becomeReady()
        _ = submit("a", deadline: 10 * s)
        _ = submit("b", deadline: 11 * s)
        let again = late(10 * s, heardAt: 10 * s - 1)
        #expect(again == "a" && !state.drain("closed").idle)
        #expect(receive(Self.ok).isEmpty && receive(Self.ok) == ["b ok", "close unreachable"])
    }

    @Test("what is late behind a late call, and is none itself: the caller is told, then the connection given up")
    mutating func slowBeforeAsking() {
        becomeReady()
        let s = Self.second
        _ = submit("a", deadline: 10 * s)
        _ = submit("b", deadline: 10 * s, isAsking: true)
        let looks = [late(10 * s, heardAt: 10 * s - 1), late(10 * s, heardAt: 10 * s - 1)]
        #expect(looks == ["a", "silent"])
        #expect(names(state.lost("gone")) == ["b unknown"], "nobody is forgotten, nobody told twice")
    }

    @Test("loads forgotten scripts and sends again what was not run, before what came later")
    mutating func reloading() {
        becomeReady()
        for name in ["a", "b", "c"] { _ = submit(name) }
        #expect(receive(Self.forgotten).isEmpty)
        #expect(submit("d") == "hold")
        #expect(submit("e") == "refuse notStored", "what is held counts")
        #expect(receive(Self.ok) == ["b ok"], "another command, which needs no script")
        #expect(receive(Self.forgotten) == ["write step,a,c,d"])
        #expect(receive(Self.digest).isEmpty)
        for name in ["a", "c", "d"] { #expect(receive(Self.ok) == ["\(name) ok"]) }
        #expect(state.callsInFlight == 0)
    }

    @Test("does not load for ever: a script that is forgotten again and again is refused in the end")
    mutating func reloadingAgain() {
        becomeReady()
        _ = submit("a")
        for _ in 0..<RedisCall.resendsMax {
            #expect(receive(Self.forgotten) == ["write step,a"])
            _ = receive(Self.digest)
        }
        #expect(receive(Self.forgotten) == ["a notStored"])
    }

    @Test("lost while it waits to load: what the server did not run was not stored")
    mutating func lostWhileReloading() {
        becomeReady()
        for name in ["a", "b"] { _ = submit(name) }
        _ = receive(Self.forgotten)
        _ = submit("c")
        #expect(names(state.lost("gone")) == ["b unknown", "a notStored", "c notStored"])
    }

    @Test("closes when the server has become a replica, after the answers in flight")
    mutating func readOnly() {
        becomeReady()
        for name in ["a", "b"] { _ = submit(name) }
        #expect(receive(.error("READONLY replica")) == ["a notStored"])
        #expect(submit("c") == "refuse notStored")
        #expect(receive(Self.ok) == ["b ok", "close unreachable"])
    }

    @Test("drains: refuses the new, waits for the answers, closes")
    mutating func draining() {
        #expect(state.drain("closed").idle)
        becomeReady()
        _ = submit("a")
        let (refused, idle) = state.drain("closed")
        #expect(refused.isEmpty && !idle)
        #expect(submit("b") == "refuse notStored")
        #expect(receive(Self.ok) == ["a ok", "close unreachable"])
    }

    /// A call that goes where its slot is about to be.
    private static func asking(_ name: String) -> RedisCall {
        RedisCall(bytes: ByteBuffer(string: name), startedAt: 0, deadline: 5_000, isAsking: true, done: { _ in })
    }

    @Test("gives the answer of ASKING to nobody, also when the script was forgotten")
    mutating func asking() {
        becomeReady()
        _ = state.submit(Self.asking("a"))
        #expect(submit("b") == "write b")
        #expect(receive(Self.ok).isEmpty)
        #expect(receive(Self.forgotten).isEmpty)
        #expect(receive(Self.ok) == ["b ok", "write step,a"])
        #expect(receive(Self.digest).isEmpty)
        #expect(receive(.error("ERR asking")).isEmpty)
        #expect(receive(Self.ok) == ["a ok"])
        #expect(state.callsInFlight == 0)
    }

    @Test("hands an error over as it is to a call that takes errors")
    mutating func rawErrors() {
        becomeReady()
        var call = Self.call("a")
        call.takesErrors = true
        _ = state.submit(call)
        guard case .success(let reply)? = state.received(.error("MOVED 1 b:2"), now: 0).answered.first?.result else {
            Issue.record("no reply")
            return
        }
        #expect(reply == .error("MOVED 1 b:2"))
    }

    @Test("closes when an answer comes that nobody asked for")
    mutating func outOfStep() {
        becomeReady()
        #expect(receive(Self.ok) == ["close unreachable"])
    }
}
