import ApusTesting
import Foundation
import Gateway
import Testing

@testable import apus

@Suite("Where settings come from")
struct SettingSourcesTests {
    @Test("A setting has the same name as flag, in the environment and in a file")
    func names() {
        #expect(Setting.redisURL.flag == "--redis-url")
        #expect(Setting.redisURL.variable == "APUS_REDIS_URL")
        #expect(Setting.redisURL.name == "redis.url")
        #expect(Setting.secret.variable == "APUS_AUTH_HS256_SECRET")
        #expect(Set(Setting.all.map(\.name)).count == Setting.all.count)
    }

    @Test(
        "Every setting of the protocol's table exists, with its default",
        arguments: [
            ("APUS_LISTEN", "0.0.0.0:8080"), ("APUS_BACKEND_LISTEN", "127.0.0.1:8081"), ("APUS_DATA", "./data"),
            ("APUS_REDIS_URL", nil),
            ("APUS_NATS_URL", nil), ("APUS_NODE", nil), ("APUS_ROLES", "gateway,notifier"),
            ("APUS_AUTH_HS256_SECRET", nil),
            ("APUS_AUTH_JWKS", nil), ("APUS_AUTH_USER_CLAIM", "sub"), ("APUS_AUTH_ISSUER", nil),
            ("APUS_AUTH_AUDIENCE", nil),
            ("APUS_AUTH_QUERY_TOKEN", "false"), ("APUS_API_KEYS", nil), ("APUS_ORIGINS", nil),
            ("APUS_SESSIONS_PER_USER", "20"),
            ("APUS_SESSIONS_PER_ADDRESS", "1000"), ("APUS_PING_SECONDS", "25"), ("APUS_TLS_CERT", nil),
            ("APUS_TLS_KEY", nil),
            ("APUS_NATS_PREFIX", "apus"),
        ] as [(String, String?)])
    func protocolTable(variable: String, standard: String?) throws {
        #expect(try #require(Setting.all.first { $0.variable == variable }).standard == standard)
    }

    @Test("Flags win over the environment, the environment over the file, the file over defaults")
    func precedence() async throws {
        try await withFile("apus.yaml", "ping:\n  seconds: 11\n") { path in
            #expect(try await load().node.pingSeconds == 25)
            #expect(try await load("--config", path).node.pingSeconds == 11)
            #expect(try await load(environment: ["APUS_CONFIG": path]).node.pingSeconds == 11)
            #expect(try await load("--config", path, environment: ["APUS_PING_SECONDS": "12"]).node.pingSeconds == 12)
            let all = try await load("--config", path, "--ping-seconds", "13", environment: ["APUS_PING_SECONDS": "12"])
            #expect(all.node.pingSeconds == 13)
            #expect(all.shown.first { $0.setting == .pingSeconds }?.origin == "flag")
        }
    }

    @Test("Flags are --name value or --name=value; switches need no value; an empty value counts as not given")
    func flags() async throws {
        let node = try await load(
            "--listen=:9000", "--roles", "gateway", "--auth-query-token", "--data=/srv/a=b", "--origins",
            "https://a.example",
            "--origins=https://b.example,https://c.example", "--node=",
            environment: ["APUS_ISSUER": "", "APUS_PING_SECONDS": ""]
        ).node
        #expect(node.listen == ListenAddress(host: "0.0.0.0", port: 9000))
        #expect(node.roles == [.gateway])
        #expect(node.auth.queryToken)
        #expect(node.dataFolder == "/srv/a=b")
        #expect(node.origins == ["https://a.example", "https://b.example", "https://c.example"])
        #expect(node.pingSeconds == 25)
        #expect(try await load("--auth-query-token=false").node.auth.queryToken == false)
        #expect(try await load("--auth-query-token", "false").node.auth.queryToken == false)
        #expect(try await load("--auth-query-token", "--node", "a").node.auth.queryToken)
    }

    @Test("A command line that cannot be meant is refused with what to do")
    func wrongFlags() async throws {
        #expect(try await problem("--redis-ulr", "x") == "unknown setting --redis-ulr; did you mean --redis-url?")
        #expect(try await problem("--frobnicate").hasPrefix("unknown setting --frobnicate; see"))
        #expect(try await problem("--listen") == "--listen needs a value; give it as --listen value, or --listen=value")
        #expect(try await problem("--listen", "--dev").hasPrefix("--listen needs a value"))
        #expect(try await problem("stray").contains("\"stray\""))
        #expect(try await problem("--node", "a", "--node", "b") == "--node is given twice; give it once")
    }

    @Test(
        "Files may be YAML or JSON, nested or flat, in any of the usual spellings",
        arguments: [
            ("a.yaml", "sessions:\n  per_user: 7\napi:\n  keys: [first-key, second-key]\nauth:\n  query-token: yes\n"),
            ("b.yml", "sessionsPerUser: 7\napi.keys: first-key, second-key\nauth:\n  queryToken: true\nnode: ~\n"),
            (
                "c.json",
                "{\"sessions\":{\"per\":{\"user\":7}},\"api_keys\":[\"first-key\",\"second-key\"],\"auth\":{\"query\":{\"token\":true}},\"node\":null}"
            ),
            (
                "d.json",
                "{\"sessions.per.user\":\"7\",\"api\":{\"keys\":\"first-key,second-key\"},\"authQueryToken\":\"true\"}"
            ),
        ])
    func files(name: String, text: String) async throws {
        try await withFile(name, text) { path in
            let node = try await load("--config", path).node
            #expect(node.sessionsPerUser == 7)
            #expect(node.apiKeys == ["first-key", "second-key"])
            #expect(node.auth.queryToken)
            #expect(node.node.hasPrefix("n-"))
        }
    }

    @Test(
        "A file with a name that is none, a name twice, or no sense is refused with the name and the file",
        arguments: [
            ("a.yaml", "redis:\n  ulr: x\n", "unknown setting redis.ulr in"),
            ("b.json", "{\"redis\":{\"ulr\":\"x\"}}", "did you mean redis.url?"),
            ("c.yaml", "sessionsPerUser: 1\nsessions:\n  per_user: 2\n", "are the same setting"),
            ("d.yaml", "listen:\n  - a: b\n", "--config"),
            ("e.yaml", "a: [", "--config"), ("f.json", "[]", "--config"), ("g.json", "{", "--config"),
            ("h.toml", "x = 1", "rename it"),
            ("i.json", "{\"listen\":[\":1\",\":2\"]}", "listen in"),
            ("j.yaml", "config: other.yaml\n", "unknown setting config"),
        ])
    func wrongFiles(name: String, text: String, part: String) async throws {
        try await withFile(name, text) { path in
            let line = try await problem("--config", path)
            #expect(line.contains(part), "\(line)")
            #expect(line.contains(name), "\(line)")
        }
    }

    @Test("A file that is not there is refused with its path")
    func missingFile() async throws {
        #expect(try await problem("--config", "/nowhere/apus.yaml").contains("/nowhere/apus.yaml"))
    }

    @Test("An unknown variable is a warning with a guess, and what Kubernetes puts there is none")
    func unknownVariables() async throws {
        let warnings = try await load(environment: [
            "APUS_REDIS_ULR": "x", "APUS_API_KEYS": "a-good-key", "APUS_PORT": "tcp://10.0.0.1:8080",
            "APUS_SERVICE_HOST": "10.0.0.1",
            "APUS_PORT_8080_TCP_ADDR": "10.0.0.1", "APUS_SERVICE_PORT_WS": "8080", "OTHER": "x",
        ]).warnings
        #expect(warnings == ["APUS_REDIS_ULR is in the environment and is no setting; did you mean APUS_REDIS_URL?"])
    }
}
