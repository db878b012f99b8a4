import Testing

@testable import RedisStore

@Suite("The slots of a Redis Cluster")
struct SlotMapTests {
    @Test("The checksum is the one of the specification")
    func checksum() {
        #expect(RedisSlot.checksum("123456789".utf8) == 0x31C3)
        #expect(RedisSlot.checksum("".utf8) == 0)
        #expect(RedisSlot.of("foo") == 12_182 && RedisSlot.of("") == 0)
    }

    @Test(
        "What stands in the first braces chooses the slot, unless it is nothing",
        arguments: [
            ("{user1000}.following", "user1000"), ("foo{}{bar}", "foo{}{bar}"), ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"), ("{foo", "{foo"), ("foo}", "foo}"), ("}{", "}{"), ("", ""), ("{é}x", "é"),
            ("apus:{u:alice}:m", "u:alice"),
        ])
    func tags(_ key: String, _ tag: String) {
        #expect(String(RedisKeyTag.of(key)) == tag)
        #expect(RedisSlot.of(key) == Int(RedisSlot.checksum(tag.utf8)) % 16_384)
    }

    // MARK: CLUSTER SLOTS

    private static let asked = RedisAddress(host: "asked", port: 1)

    private static func server(_ host: String?, _ port: Int64, more: [RedisReply] = []) -> RedisReply {
        .list([host.map { .text(Array($0.utf8)) } ?? .null, .integer(port), .text(Array("id".utf8))] + more)
    }

    private static func range(_ first: Int64, _ last: Int64, _ servers: RedisReply...) -> RedisReply {
        .list([.integer(first), .integer(last)] + servers)
    }

    @Test("A map has its masters once, their parts, and the replicas")
    func reading() throws {
        let metadata = RedisReply.list([.text(Array("hostname".utf8)), .text(Array("a.example".utf8))])
        let map = try SlotMap(
            .list([
                Self.range(0, 99, Self.server("10.0.0.1", 7000, more: [metadata]), Self.server("10.0.0.3", 7002)),
                Self.range(100, 16_000, Self.server("::1", 7001)),
                Self.range(16_001, 16_383, Self.server("10.0.0.1", 7000), Self.server("10.0.0.3", 7002)),
            ]), from: Self.asked)
        #expect(map.masters == [RedisAddress(host: "10.0.0.1", port: 7000), RedisAddress(host: "::1", port: 7001)])
        #expect(map.replicas == [RedisAddress(host: "10.0.0.3", port: 7002)])
        #expect(map.parts.map(\.master) == [0, 1, 0])
        #expect(map.parts.map(\.slots) == [0...99, 100...16_000, 16_001...16_383])
        #expect(map.isWhole)
    }

    @Test("Who does not know its own name is called by the one under which it was asked", arguments: [nil, ""])
    func nameless(_ host: String?) throws {
        let map = try SlotMap(.list([Self.range(0, 16_383, Self.server(host, 7000))]), from: Self.asked)
        #expect(map.masters == [RedisAddress(host: "asked", port: 7000)])
    }

    @Test("Slots that nobody has are named")
    func holes() throws {
        let one = Self.server("a", 1)
        let map = try SlotMap(
            .list([Self.range(200, 300, one), Self.range(5, 99, one), Self.range(301, 16_000, one)]), from: Self.asked)
        #expect(!map.isWhole && map.missing == [0...4, 100...199, 16_001...16_383])
        #expect(try SlotMap(.list([]), from: Self.asked).missing == [0...16_383])
    }

    @Test("What is no map is refused, and says what to look at")
    func malformed() {
        let good = Self.server("a", 1)
        let wrong: [RedisReply] = [
            .null, .integer(1), .list([.null]), .list([Self.range(0, 1)]), .list([Self.range(5, 4, good)]),
            .list([Self.range(-1, 4, good)]), .list([Self.range(0, 16_384, good)]),
            .list([Self.range(0, 1, Self.server("a", 0))]), .list([Self.range(0, 1, Self.server("a", 65_536))]),
            .list([Self.range(0, 1, Self.server("?", 1))]), .list([Self.range(0, 1, .list([]))]),
        ]
        for reply in wrong {
            let error = #expect(throws: RedisStartError.self) { try SlotMap(reply, from: Self.asked) }
            #expect(error?.kind == .unreachable && error?.fix.contains("cluster-announce") == true, "\(reply)")
        }
    }

    @Test("A server that is not of a Cluster, or does not tell, says so")
    func refusals() {
        let cases: [(String, RedisStartError.Kind, String)] = [
            ("ERR This instance has cluster support disabled", .configuration, "redis://host:6379"),
            ("ERR unknown command 'CLUSTER'", .configuration, "redis://"),
            ("NOPERM this user has no permissions", .refused, "+cluster|slots"), ("LOADING", .unreachable, ""),
        ]
        for (message, kind, fix) in cases {
            let error = #expect(throws: RedisStartError.self) { try SlotMap(.error(message), from: Self.asked) }
            #expect(error?.kind == kind && (fix.isEmpty || error?.fix.contains(fix) == true), "\(message)")
        }
    }

    // MARK: Redirections

    @Test(
        "A redirection says where to go",
        arguments: [
            ("MOVED 3999 127.0.0.1:6381", .moved, "127.0.0.1:6381"),
            ("ASK 3999 a.example:6381", .ask, "a.example:6381"), ("MOVED 3999 ::1:6381", .moved, "[::1]:6381"),
            ("MOVED 3999 :6381", .moved, "asked:6381"),
            ("TRYAGAIN Multiple keys request during rehashing of slot", .tryAgain, nil),
        ] as [(String, Redirection.Kind, String?)])
    func redirections(_ message: String, _ kind: Redirection.Kind, _ server: String?) throws {
        let redirection = try #require(Redirection(message, from: Self.asked))
        #expect(redirection.kind == kind && redirection.server?.description == server)
    }

    @Test(
        "Other errors are none",
        arguments: [
            "", "OOM x", "MOVED", "MOVED 1", "MOVED 1 a", "MOVED 1 a:0", "MOVED 1 ?:5", "ASK 1 a:b", "CLUSTERDOWN x",
        ])
    func noRedirections(_ message: String) { #expect(Redirection(message, from: Self.asked) == nil) }
}
