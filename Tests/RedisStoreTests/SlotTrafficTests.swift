import Core
import Testing

@testable import RedisStore

/// The order of commands without servers: what was answered goes in, what is sent and who is told comes out.
@Suite("The order of one loop's commands in a Cluster")
struct SlotTrafficTests {
    private var traffic = SlotTraffic(configuration: Self.configuration)
    private var calls: [String: ClusterCall] = [:]
    private var now: UInt64 = 0
    private var isConnecting = false

    private static let configuration: RedisConfiguration = {
        var configuration = RedisConfiguration(host: "test")
        configuration.commandsInFlightMax = 6
        configuration.bytesInFlightMax = 1000
        return configuration
    }()

    /// Two users in one slot.
    private static let (alice, bob): (String, String) = {
        let slot = RedisSlot.of("{alice}")
        let bob = (0...).lazy.map { "bob\($0)" }.first { RedisSlot.of("{\($0)}") == slot }
        return ("alice", bob ?? "")
    }()

    private static let millisecond: UInt64 = 1_000_000
    private static let ok = Result<RedisReply, StoreError>.success(.integer(1))
    private static let unknown = Result<RedisReply, StoreError>.failure(StoreError(.unknown, "lost"))
    private static let full = Result<RedisReply, StoreError>.failure(StoreError(.notStored, "OOM"))
    private var slot: Int { RedisSlot.of("{\(Self.alice)}") }

    private mutating func make(
        _ name: String, of user: String = alice, isRead: Bool = false, deadline: UInt64 = 1500
    ) -> ClusterCall {
        let command = RedisCommand(RedisArguments(name), key: "{\(user)}:key", isRead: isRead)
        let call = ClusterCall(command, startedAt: now, deadline: now + deadline * Self.millisecond) { _ in }
        calls[name] = call
        return call
    }

    private func name(_ call: ClusterCall) -> String { calls.first { $0.value === call }?.key ?? "?" }

    private mutating func submit(_ call: ClusterCall) -> String {
        switch isConnecting ? traffic.hold(call) : traffic.submit(call) {
        case .send: "send"
        case .wait: "wait"
        case .refuse(let error): "refuse \(error.outcome)"
        }
    }

    /// Submits commands of alice that are sent at once.
    private mutating func send(_ names: String...) {
        for name in names { #expect(submit(make(name)) == "send") }
    }

    private mutating func tell(_ finished: [SlotTraffic.Finished]) -> [String] {
        finished.map { call, result in
            call.finish(result)
            switch result {
            case .success: return "\(name(call)) ok"
            case .failure(let error): return "\(name(call)) \(error.outcome)"
            }
        }
    }

    private mutating func answer(_ name: String, _ result: Result<RedisReply, StoreError> = ok) -> [String] {
        tell(calls[name].map { traffic.answered($0, result, now: now) } ?? [])
    }

    private mutating func redirect(_ name: String, _ message: String) -> [String] {
        guard let call = calls[name], let redirection = Redirection(message, from: RedisAddress(host: "a", port: 1))
        else { return ["no redirection"] }
        return tell(traffic.redirected(call, redirection, message, now: now))
    }

    private mutating func moved(_ name: String) -> [String] { redirect(name, "MOVED 1 b:2") }
    private mutating func ask(_ name: String) -> [String] { redirect(name, "ASK 1 b:2") }
    private mutating func tryAgain(_ name: String) -> [String] { redirect(name, "TRYAGAIN later") }

    /// What leaves now: names, with a question mark when they go with `ASKING`.
    private mutating func release() -> [String] {
        let isConnecting = isConnecting
        return traffic.release(slot, now: now) { _ in !isConnecting }.map { call, target in
            name(call) + (target == .owner ? "" : "?")
        }
    }

    private mutating func wait(milliseconds: UInt64) -> [String] {
        now += milliseconds * Self.millisecond
        return tell(traffic.expire(now: now))
    }

    @Test("As long as nothing is redirected, everything leaves at once")
    mutating func open() {
        send("1", "2")
        #expect(answer("1") == ["1 ok"] && answer("2", Self.unknown) == ["2 unknown"])
        #expect(traffic.isOpen && !traffic.needsTime && release().isEmpty)
    }

    @Test(
        "A moved slot: what was redirected leaves when all in flight is answered, in its order, before what came later")
    mutating func slotMoved() {
        send("1", "2", "3")
        #expect(moved("1").isEmpty && release().isEmpty)
        #expect(submit(make("4")) == "wait" && submit(make("5", of: Self.bob)) == "wait")
        #expect(moved("2").isEmpty && release().isEmpty)
        #expect(moved("3").isEmpty)
        #expect(release() == ["1", "2", "3", "4", "5"])
        #expect(traffic.isOpen)
        #expect(submit(make("6")) == "send")
        for name in ["1", "2", "3", "4", "5", "6"] { #expect(answer(name) == ["\(name) ok"]) }
        #expect(wait(milliseconds: 0).isEmpty && !traffic.needsTime)
    }

    /// Of two commands on their way, the first meets a server that has not got its keys, and the second is run. Sending
    /// the first again would swap the two.
    @Test("A write that a later command of its user has overtaken is not stored", arguments: [ok, unknown])
    mutating func overtaken(_ result: Result<RedisReply, StoreError>) {
        send("1", "2", "3")
        #expect(submit(make("other", of: Self.bob)) == "send")
        #expect(moved("1").isEmpty && moved("other").isEmpty && moved("2").isEmpty)
        #expect(answer("3", result).dropLast() == ["1 notStored", "2 notStored"])
        #expect(release() == ["other"], "another user's is not concerned")
    }

    @Test("A read is sent again although it was overtaken, and a command that was refused overtakes nobody")
    mutating func overtakenRead() {
        #expect(submit(make("read", isRead: true)) == "send")
        send("2", "3")
        #expect(moved("read").isEmpty && moved("2").isEmpty)
        #expect(answer("3", Self.full) == ["3 notStored"])
        #expect(release() == ["read", "2"])
        send("4", "5")
        #expect(moved("4").isEmpty && submit(make("held")) == "wait")
        #expect(moved("read").isEmpty && moved("2").isEmpty)
        #expect(answer("5") == ["4 notStored", "2 notStored", "5 ok"])
        #expect(release() == ["read", "held"])
    }

    @Test("A moving slot: each user has one command on its way, asking where it was told to")
    mutating func asking() {
        send("1", "2")
        #expect(ask("1").isEmpty && release().isEmpty)
        #expect(ask("2").isEmpty && release() == ["1?"])
        #expect(submit(make("3")) == "wait" && submit(make("4", of: Self.bob)) == "wait")
        #expect(release() == ["4"], "to the owner first")
        #expect(answer("1") == ["1 ok"] && release() == ["2?"])
        #expect(ask("4").isEmpty && release() == ["4?"])
        #expect(answer("2") == ["2 ok"] && release() == ["3"])
        #expect(answer("3") == ["3 ok"] && answer("4") == ["4 ok"])
        #expect(release().isEmpty && traffic.isOpen)
    }

    @Test("TRYAGAIN: a pause that doubles, to the owner again, and nobody else of the user before it")
    mutating func tryingAgain() {
        send("1", "2")
        #expect(answer("2", Self.full) == ["2 notStored"])
        for pause in [10, 20, 40, 80, 160, 160] as [UInt64] {
            #expect(tryAgain("1").isEmpty)
            if pause == 10 { #expect(submit(make("later")) == "wait") }
            #expect(wait(milliseconds: pause - 1).isEmpty && release().isEmpty)
            #expect(wait(milliseconds: 1).isEmpty && release() == ["1"])
        }
        #expect(answer("1") == ["1 ok"] && release() == ["later"])
    }

    @Test("A slot that has not been seen moving for a while is a usual one again")
    mutating func settled() {
        send("1", "2")
        _ = (ask("1"), ask("2"))
        for name in ["3", "4"] { #expect(submit(make(name)) == "wait") }
        #expect(release() == ["1?"])
        #expect(wait(milliseconds: 260).isEmpty)
        #expect(answer("1") == ["1 ok"] && release() == ["2", "3", "4"])
        #expect(traffic.isOpen)
    }

    @Test("A slot that was moving and has moved: what waits leaves together when the last one alone is answered")
    mutating func movedAtLast() {
        send("1", "2")
        _ = (ask("1"), ask("2"))
        #expect(submit(make("3", of: Self.bob)) == "wait" && release() == ["1?", "3"])
        #expect(moved("3").isEmpty && release().isEmpty)
        #expect(answer("1") == ["1 ok"] && release() == ["2", "3"])
        #expect(traffic.isOpen)
    }

    @Test("Five redirections are followed, and no more; TRYAGAIN begins to count anew")
    mutating func bounded() {
        send("1")
        for _ in 0..<3 { #expect(moved("1").isEmpty && release() == ["1"]) }
        #expect(tryAgain("1").isEmpty && wait(milliseconds: 10).isEmpty && release() == ["1"])
        for _ in 0..<5 { #expect(moved("1").isEmpty && release() == ["1"]) }
        #expect(moved("1") == ["1 notStored"])
        #expect(release().isEmpty && traffic.isOpen)
    }

    @Test(
        "What waits is refused when too little of its deadline is left; what was sent again is unknown at its deadline")
    mutating func deadlines() {
        send("1", "2")
        #expect(tryAgain("1").isEmpty && answer("2", Self.full) == ["2 notStored"])
        #expect(wait(milliseconds: 1399).isEmpty)
        #expect(release() == ["1"])
        #expect(tryAgain("1").isEmpty)
        #expect(wait(milliseconds: 1) == ["1 notStored"], "its answer would come too late")
        #expect(release().isEmpty && traffic.isOpen)
        send("3")
        #expect(moved("3").isEmpty && release() == ["3"])
        #expect(wait(milliseconds: 1500) == ["3 unknown"])
        #expect(moved("3").isEmpty && release().isEmpty, "answered already: it is not sent once more")
        #expect(traffic.isOpen && wait(milliseconds: 1).isEmpty && !traffic.needsTime)
    }

    @Test("A new owner of a slot gets nothing before the old one has answered everything")
    mutating func newOwner() {
        traffic.ownerChanged(slot)
        #expect(traffic.isOpen, "nothing was in flight")
        send("1")
        traffic.ownerChanged(slot)
        #expect(submit(make("2")) == "wait" && release().isEmpty)
        #expect(answer("1") == ["1 ok"] && release() == ["2"])
        #expect(traffic.isOpen)
    }

    @Test("Commands wait for a connection that is being made")
    mutating func connecting() {
        isConnecting = true
        #expect(submit(make("1")) == "wait" && submit(make("2")) == "wait" && release().isEmpty)
        isConnecting = false
        #expect(submit(make("3")) == "wait")
        #expect(release() == ["1", "2", "3"])
        #expect(traffic.isOpen)
    }

    @Test("So many may wait, and so many bytes; the next is refused")
    mutating func full() {
        isConnecting = true
        for name in ["1", "2", "3"] { #expect(submit(make(name)) == "wait") }
        #expect(submit(make(String(repeating: "x", count: 990))) == "refuse notStored")
        for name in ["4", "5", "6"] { #expect(submit(make(name)) == "wait") }
        #expect(submit(make("7")) == "refuse notStored")
        isConnecting = false
        #expect(release().count == 6)
        isConnecting = true
        #expect(submit(make(String(repeating: "y", count: 900))) == "wait")
    }

    @Test("Closing answers everyone who waits")
    mutating func closing() {
        send("1", "2")
        #expect(moved("1").isEmpty && submit(make("3")) == "wait")
        #expect(tell(traffic.close("closed")) == ["1 notStored", "3 notStored"])
        #expect(answer("2") == ["2 ok"] && release().isEmpty && traffic.isOpen)
    }
}
