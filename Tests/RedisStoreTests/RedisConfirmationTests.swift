import Core
import NIOCore
import Testing

@testable import RedisStore

/// Strict durability on one connection, without sockets.
@Suite("The confirmation of writes")
struct RedisConfirmationTests {
    private var state = RedisConnectionState(
        configuration: Self.configuration,
        steps: [HandshakeStep(.role, RedisArguments("ROLE")), HandshakeStep(.load(.append), RedisArguments("LOAD"))])

    private static let configuration: RedisConfiguration = {
        var configuration = RedisConfiguration(host: "test")
        configuration.durability = .strict
        return configuration
    }()

    private static let ok = RedisReply.text(Array("OK".utf8))

    private static func role(_ replicas: [RedisReply]) -> RedisReply {
        .list([.text(Array("master".utf8)), .integer(0), .list(replicas)])
    }

    private mutating func submit(_ name: String, isRead: Bool = false) -> String {
        let call = RedisCall(
            bytes: ByteBuffer(string: name), startedAt: 0, deadline: 5_000, isConfirmed: !isRead, done: { _ in })
        switch state.submit(call) {
        case .write: return "write"
        case .hold: return "hold"
        case .refuse(let error): return "refuse \(error.outcome)"
        }
    }

    private mutating func receive(_ reply: RedisReply) -> [String] {
        let reception = state.received(reply, now: 0)
        var said = reception.answered.map { call, result in
            switch result {
            case .success: "\(String(buffer: call.bytes)) ok"
            case .failure(let error): "\(String(buffer: call.bytes)) \(error.outcome)"
            }
        }
        said += reception.refused.map { "\(String(buffer: $0.call.bytes)) refused \($0.error.outcome)" }
        said += reception.write.map { String(buffer: $0) }.filter { !$0.hasPrefix("*") }.map { "write \($0)" }
        return said
    }

    private mutating func becomeReady(replicas: Int = 1) {
        _ = state.connected(now: 0)
        _ = receive(Self.role(Array(repeating: .list([]), count: replicas)))
        _ = receive(.text(Array(repeating: 97, count: 40)))
        #expect(state.isReady)
    }

    @Test("one WAIT goes behind the writes of a turn, and their answers wait for it, in their order")
    mutating func batch() {
        becomeReady()
        #expect(submit("read", isRead: true) == "write")
        #expect(state.turnEnded(now: 0) == nil, "reads need none")
        for name in ["a", "b"] { #expect(submit(name) == "write") }
        #expect(submit("c", isRead: true) == "write")
        #expect(state.turnEnded(now: 0) != nil)
        #expect(state.turnEnded(now: 0) == nil)
        #expect(receive(Self.ok) == ["read ok"])
        for _ in 0..<3 { #expect(receive(Self.ok).isEmpty) }
        #expect(submit("d") == "hold")
        #expect(receive(.integer(1)) == ["a ok", "b ok", "c ok", "write d"])
        #expect(state.turnEnded(now: 0) != nil, "what was held is a batch of its own")
        #expect(receive(Self.ok).isEmpty)
        #expect(receive(.integer(2)) == ["d ok"])
        #expect(state.callsInFlight == 0)
    }

    @Test("without a replica's answer the batch is unknown, what was held is refused unwritten, and a probe ends it")
    mutating func unconfirmed() {
        becomeReady()
        _ = submit("a")
        _ = submit("full")
        _ = submit("r", isRead: true)
        _ = state.turnEnded(now: 0)
        #expect(submit("b") == "hold")
        #expect(submit("s", isRead: true) == "hold")
        _ = receive(Self.ok)
        _ = receive(.error("OOM command not allowed"))
        _ = receive(Self.ok)
        #expect(
            receive(.integer(0))
                == ["a unknown", "full notStored", "r ok", "b refused notStored", "write s"])
        #expect(state.isSuspended)
        #expect(submit("c") == "refuse notStored")
        #expect(submit("t", isRead: true) == "write")
        #expect(receive(Self.ok) == ["s ok"])
        #expect(receive(Self.ok) == ["t ok"])
        #expect(state.probe(now: 0) != nil && state.probe(now: 0) == nil, "one at a time")
        #expect(receive(.integer(0)).isEmpty)
        #expect(submit("c") == "refuse notStored")
        #expect(state.probe(now: 0) != nil)
        #expect(receive(.integer(1)).isEmpty)
        #expect(submit("c") == "write" && !state.isSuspended)
    }

    @Test("a master without a replica takes no write from the start")
    mutating func alone() {
        becomeReady(replicas: 0)
        #expect(state.isSuspended && submit("a") == "refuse notStored")
        #expect(submit("r", isRead: true) == "write")
    }

    @Test("a lost connection leaves unconfirmed writes unknown, and forgets that it was suspended")
    mutating func lost() {
        becomeReady()
        _ = submit("a")
        _ = submit("b")
        _ = state.turnEnded(now: 0)
        _ = submit("c")
        _ = receive(Self.ok)
        let failed = state.lost("cut").map { "\(String(buffer: $0.call.bytes)) \($0.error.outcome)" }
        #expect(failed == ["a unknown", "b unknown", "c notStored"])
        #expect(state.callsInFlight == 0 && !state.isSuspended)
    }

    @Test("a script that the server forgot is sent again, and confirmed then")
    mutating func forgotten() {
        becomeReady()
        for name in ["a", "b"] { _ = submit(name) }
        _ = state.turnEnded(now: 0)
        _ = receive(Self.ok)
        _ = receive(.error("NOSCRIPT No matching script."))
        #expect(submit("c") == "hold")
        #expect(receive(.integer(1)) == ["a ok", "write b", "write c"])
        #expect(state.turnEnded(now: 0) != nil)
        _ = receive(.text(Array(repeating: 97, count: 40)))
        for _ in 0..<2 { #expect(receive(Self.ok).isEmpty) }
        #expect(receive(.integer(1)) == ["b ok", "c ok"])
    }

    @Test("what strict durability asks of a server")
    func info() throws {
        var good = ServerInfo()
        good.add("aof_enabled:1\r\nslave0:ip=127.0.0.1,port=1,state=online,offset=1,lag=0\r\n")
        good.set("appendfsync", "always")
        #expect(try good.judgeStrict().count == 1)
        good.set("min_slaves_good_slaves", "1")
        #expect(try good.judgeStrict().isEmpty)
        let bad = [
            ("aof_enabled", "0", "appendonly yes"), ("appendfsync", "no", "appendfsync always"),
            ("slave0", "ip=127.0.0.1,port=1,state=wait_bgsave,offset=0,lag=0", "replicaof"),
        ]
        for (name, value, fix) in bad {
            var info = good
            info.set(name[...], value)
            let error = #expect(throws: RedisStartError.self) { try info.judgeStrict() }
            #expect(error?.fix.contains(fix) == true)
        }
    }
}
