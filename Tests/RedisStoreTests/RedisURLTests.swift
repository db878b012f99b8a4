import Testing

@testable import RedisStore

@Suite("A Redis URL")
struct RedisURLTests {
    @Test(
        "gives host, port, login and database",
        arguments: [
            ("redis://cache", RedisConfiguration(host: "cache")),
            ("redis://cache:7000", RedisConfiguration(host: "cache", port: 7000)),
            ("redis://cache/", RedisConfiguration(host: "cache")),
            ("redis://cache:7000/3", RedisConfiguration(host: "cache", port: 7000, database: 3)),
            ("REDISS://cache", RedisConfiguration(host: "cache", tls: true)),
            ("redis://:secret@cache", RedisConfiguration(host: "cache", password: "secret")),
            (
                "redis://apus:s:e@cret@cache:1/2",
                RedisConfiguration(host: "cache", port: 1, username: "apus", password: "s:e@cret", database: 2)
            ),
            (
                "redis://a%70us:p%40ss%2F%25%C3%A9@cache",
                RedisConfiguration(host: "cache", username: "apus", password: "p@ss/%é")
            ),
            ("redis://[::1]", RedisConfiguration(host: "::1")),
            (
                "redis://:x@[fe80::1]:6380/1",
                RedisConfiguration(host: "fe80::1", port: 6380, password: "x", database: 1)
            ),
            ("redis+cluster://a", cluster([("a", 6379)])),
            ("redis+cluster://a:7000,b,[::1]:7001/", cluster([("a", 7000), ("b", 6379), ("::1", 7001)])),
            (
                "REDISS+cluster://apus:p,w@a,b/0",
                cluster([("a", 6379), ("b", 6379)], tls: true, login: ("apus", "p,w"))
            ),
        ])
    func reads(_ url: String, _ expected: RedisConfiguration) throws {
        #expect(try RedisConfiguration(url: url) == expected)
    }

    @Test("of sentinels gives their addresses, the master's name, and both passwords")
    func sentinels() throws {
        let plain = try RedisConfiguration(url: "redis+sentinel://a,b:7000,[::1]/my%2Dmaster")
        #expect(plain.seeds.map(\.description) == ["a:26379", "b:7000", "[::1]:26379"])
        #expect(plain.sentinel == RedisSentinel(master: "my-master") && !plain.isCluster && !plain.tls)
        let full = try RedisConfiguration(
            url: "rediss+sentinel://apus:p%40ss@a/m?db=3&sentinel_user=s&sentinel_password=hunter%262")
        #expect(full.username == "apus" && full.password == "p@ss" && full.database == 3 && full.tls)
        #expect(full.sentinel == RedisSentinel(master: "m", username: "s", password: "hunter&2"))
        #expect(full.description == "rediss+sentinel://apus:***@a:26379/m")
        #expect(full.at(RedisAddress(host: "c", port: 1)).description == "rediss://apus:***@c:1/3")
        var dumped = ""
        dump(full, to: &dumped)
        #expect(!dumped.contains("hunter"))
    }

    private static func cluster(
        _ hosts: [(String, Int)], tls: Bool = false, login: (String, String)? = nil
    ) -> RedisConfiguration {
        var configuration = RedisConfiguration(
            host: hosts[0].0, port: hosts[0].1, username: login?.0, password: login?.1, tls: tls)
        configuration.seeds = hosts.map { RedisAddress(host: $0.0, port: $0.1) }
        return configuration
    }

    @Test(
        "that is wrong is refused with what is wrong, and the password stays out of it",
        arguments: [
            ("", "begin with redis://"), ("cache:6379", "begin with redis://"), ("http://cache", "scheme"),
            ("redis://", "host"), ("redis://:hunter2@", "host"), ("redis://:hunter2@:6379", "host"),
            ("redis://:hunter2@cache:", "port"), ("redis://:hunter2@cache:0", "port"),
            ("redis://:hunter2@cache:65536", "port"), ("redis://:hunter2@cache:+1", "port"),
            ("redis://:hunter2@cache:hunter2", "port"), ("redis://:hunter2@cache/x", "database"),
            ("redis://:hunter2@cache/-1", "database"), ("redis://:hunter2@cache/1/2", "database"),
            ("redis://hunter2@cache", "without a password"), ("redis://hunter2:@cache", "without a password"),
            ("redis://:hunter2%@cache", "percent-encoded"), ("redis://:hunter2%zz@cache", "percent-encoded"),
            ("redis://:hunter2%FF@cache", "percent-encoded"), ("redis://:hunter2@a,b", "host"),
            ("redis://:hunter2@[::1", "brackets"), ("redis://:hunter2@[::1]x", "port"),
            ("redis://:hunter2@cache?tls=1", "'?'"), ("redis://:hunter2@ca che", "host"),
            ("redis+sentinel://:hunter2@a,b", "master's name"), ("redis+sentinel://:hunter2@a,b/", "master's name"),
            ("redis+sentinel://:hunter2@a,b/n/2", "master's name"), ("rediss+sentinel://:hunter2@/n", "host"),
            ("redis+sentinel://:hunter2@a/n?db=hunter2", "database number"),
            ("redis+sentinel://:hunter2@a/n?hunter2=1", "not known"), ("redis+sentinel://a/n?db", "no value"),
            ("redis+sentinel://a/n?sentinel_password=hunter2%", "percent-encoded"),
            ("redis+sentinel://a/n?sentinel_user=hunter2", "without sentinel_password"),
            ("redis+sentinel://:hunt?er2@a/n", "without a password"),
            ("redis+cluster://:hunter2@", "host"), ("redis+cluster://:hunter2@a,,b", "host"),
            ("redis+cluster://:hunter2@a,b:x", "port"), ("redis+cluster://:hunter2@a,b/1", "database 0"),
        ])
    func refuses(_ url: String, _ part: String) {
        let error = #expect(throws: RedisStartError.self) { try RedisConfiguration(url: url) }
        #expect(error?.kind == .configuration)
        let text = error?.description ?? ""
        #expect(text.contains(part) && text.hasPrefix("APUS_REDIS_URL"), "\(text)")
        #expect(!text.contains("hunter2"))
    }

    @Test("is shown without its password, however it is shown")
    func redacts() throws {
        let configuration = try RedisConfiguration(url: "rediss://apus:hunter2@[::1]:6380/4")
        #expect(configuration.description == "rediss://apus:***@[::1]:6380/4")
        var dumped = ""
        dump(configuration, to: &dumped)
        for text in ["\(configuration)", String(reflecting: configuration), dumped, "\([configuration])"] {
            #expect(!text.contains("hunter2"))
        }
        let cluster = try RedisConfiguration(url: "rediss+cluster://apus:hunter2@[::1]:6380,b")
        #expect(cluster.description == "rediss+cluster://apus:***@[::1]:6380,b:6379")
        #expect(cluster.at(RedisAddress(host: "c", port: 1)).description == "rediss://apus:***@c:1/0")
    }
}
