import ApusTesting
import Core
import Foundation
import Gateway
import Logging
import Testing

@testable import apus

@Suite("The rules of the configuration")
struct ConfigurationRulesTests {
    @Test("Redis without NATS, or NATS without Redis, is an error that says so")
    func partners() async throws {
        let redis = try await problem("--redis-url", "redis://127.0.0.1")
        #expect(
            redis == "--redis-url is set and --nats-url is not: several nodes need both, one embedded node neither; "
                + "set --nats-url or unset --redis-url")
        let nats = try await problem(environment: ["APUS_NATS_URL": "nats://127.0.0.1"])
        #expect(nats.hasPrefix("APUS_NATS_URL is set and APUS_REDIS_URL is not"))
        let both = try await load("--redis-url", "redis+cluster://a:1,b:2", "--nats-url", "nats://a,nats://b").node
        #expect(both.redis?.url == "redis+cluster://a:1,b:2")
        #expect(both.redis?.durability == .standard && both.nats?.replicas == 1)
        let strict = try await load(
            "--redis-url", "redis+sentinel://a,b/m", "--nats-url", "nats://a", "--durability", "strict",
            "--nats-replicas", "3"
        ).node
        #expect(strict.redis?.durability == .strict && strict.nats?.replicas == 3)
        #expect(try await problem("--durability", "double").hasPrefix("--durability=double is no durability; give"))
        #expect(both.nats?.url == "nats://a,nats://b")
        #expect(both.schedulesInBatches)
        #expect(try await !load("--scheduling", "normal").node.schedulesInBatches)
        #expect(try await problem("--scheduling", "fifo").hasPrefix("--scheduling=fifo is no scheduling; give batch"))
        #expect(!both.isEmbedded)
        #expect(try await load().node.isEmbedded)
    }

    @Test("URLs of other schemes are refused, and their passwords never shown")
    func urls() async throws {
        let line = try await problem("--redis-url", "http://me:hunter2@h:1/?password=hunter2", "--nats-url", "nats://h")
        #expect(line.hasPrefix("--redis-url=http://***@h:1/?*** is no Redis URL"))
        // Nobody knows where a password with a bare '?' or '@' ends, so all of it is hidden.
        for url in ["http://me:hun?ter2@h", "http://me:x@h/m?sentinel_password=hun@ter2"] {
            let line = try await problem("--redis-url", url, "--nats-url", "nats://h")
            #expect(!line.contains("hun") && !line.contains("ter2"), "\(line)")
        }
        #expect(!line.contains("hunter2"))
        let nats = try await problem("--redis-url", "redis://h", "--nats-url", "nats://a:x,y@h1,http://b:hunter2@h2")
        #expect(nats.hasPrefix("--nats-url=nats://***@h2 is no list"))
        #expect(!nats.contains("hunter2"))
    }

    @Test("A secret or a key set is required, unless the node holds no sockets")
    func authRequired() async throws {
        let line = try await problem(secret: nil)
        #expect(line.contains("APUS_AUTH_HS256_SECRET") && line.contains("APUS_AUTH_JWKS") && line.contains("--dev"))
        #expect(try await load("--roles", "notifier", secret: nil).node.auth.hs256Secret == nil)
    }

    @Test("A short secret is refused unless allowed, a published one always, and none is shown")
    func secrets() async throws {
        let short = try await problem(secret: "paopao-compat-test-secret")
        #expect(short.hasPrefix("APUS_AUTH_HS256_SECRET=<25 bytes, not shown> has 25 bytes"))
        #expect(short.contains("APUS_AUTH_ALLOW_SHORT_SECRET=true"))
        let allowed = try await load(
            "--auth-allow-short-secret", "--auth-user-claim", "uid", secret: "paopao-compat-test-secret")
        #expect(allowed.node.auth.hs256Secret == "paopao-compat-test-secret")
        #expect(allowed.warnings.contains { $0.hasPrefix("APUS_AUTH_HS256_SECRET has 25 bytes") })
        let platforms = try await load("--auth-user-claim", "uid", secret: "paopao-compat-test-secret")
        #expect(platforms.warnings.contains { $0.hasPrefix("APUS_AUTH_HS256_SECRET has 25 bytes") })
        let shorter = try await problem("--auth-user-claim", "uid", secret: "twenty-three-bytes-long")
        #expect(shorter.contains("has 23 bytes, fewer than the 24"))
        for arguments in [["--auth-allow-short-secret"], []] {
            let line = try await problem(arguments.first ?? "--dev=false", secret: "18a6413dc4fe394c66345ebe501b2f26")
            #expect(line.contains("published sample secret"))
            #expect(!line.contains("18a6413d") && !line.contains("ALLOW_SHORT"))
        }
    }

    @Test("A key set is an https URL, an http URL of this machine, or a file that can be read")
    func jwks() async throws {
        let url = try await load("--auth-jwks", "https://id.example/keys", secret: nil).node.auth.jwks
        #expect(url == .url("https://id.example/keys"))
        try await withFile("keys.json", "{\"keys\":[]}") { path in
            let line = try await problem("--auth-jwks", path, secret: nil)
            #expect(line == "--auth-jwks=\(path) is no key set: none of its 0 keys can be used; mend the file")
        }
        try await withFile("keys.json", TestKey.keySet([try await TestKey.edDSA(id: "a")])) { path in
            let file = try await load("--auth-jwks", path, secret: nil).node.auth.jwks
            #expect(file == .file(path))
        }
        #expect(
            try await problem("--auth-jwks", "http://me:hunter2@id.example/", secret: nil).hasPrefix(
                "--auth-jwks=http://***@id.example/ is"))
        #expect(try await problem("--auth-jwks", "http://id.example/keys", secret: nil).contains("use https"))
        #expect(
            try await problem("--auth-jwks", "/nowhere/keys.json", secret: nil).hasPrefix(
                "--auth-jwks=/nowhere/keys.json names no file"))
    }

    @Test("TLS needs certificate and key, and both must be files")
    func tls() async throws {
        try await withFile("cert.pem", "x") { path in
            #expect(
                try await problem("--tls-cert", path).hasPrefix(
                    "--tls-cert is set and --tls-key is not: TLS needs both"))
            #expect(try await problem("--tls-key", path).hasPrefix("--tls-key is set and --tls-cert is not"))
            let tls = try await load("--tls-key", path, "--tls-cert", path).node.tls
            #expect(tls == TLSFiles(certificate: path, privateKey: path))
            #expect(try await problem("--tls-cert", path, "--tls-key", "/nowhere").contains("/nowhere names no file"))
        }
    }

    @Test(
        "Listen addresses are read in every usual form",
        arguments: [
            ("0.0.0.0:8080", "0.0.0.0", 8080), ("[::1]:8080", "::1", 8080), (":8080", "0.0.0.0", 8080),
            ("127.0.0.1:0", "127.0.0.1", 0),
            ("localhost:65535", "localhost", 65535), ("[::]:1", "::", 1),
        ])
    func listen(text: String, host: String, port: Int) async throws {
        #expect(try await load("--listen", text).node.listen == ListenAddress(host: host, port: port))
    }

    @Test(
        "What is no listen address is refused",
        arguments: [
            "8080", "localhost", "0.0.0.0:", "0.0.0.0:65536", "0.0.0.0:-1", "::1:80", "[::1:80", "[localhost]:80",
            "a b:80", "http://h:80", "h:+1",
        ])
    func wrongListen(text: String) async throws {
        let line = try await problem("--listen=\(text)")
        #expect(line.hasPrefix("--listen=\(text) is no address to listen on; write it as"))
    }

    @Test("The two listeners need two ports")
    func samePorts() async throws {
        #expect(try await problem("--listen", "127.0.0.1:8081").contains("APUS_BACKEND_LISTEN"))
        _ = try await load("--listen", "127.0.0.1:0", "--backend-listen", "127.0.0.1:0")
    }

    @Test(
        "Numbers have ranges, and messages name them",
        arguments: [
            ("--ping-seconds", "0", "1 to 3600"), ("--ping-seconds", "3601", "1 to 3600"),
            ("--ping-seconds", "abc", "1 to 3600"),
            ("--ping-seconds", "1.5", "1 to 3600"), ("--sessions-per-user", "-1", "0 to 1000000"),
            ("--threads", "2000", "0 to 1024"),
            ("--sessions-per-address", "99999999999999999999", "0 to 1000000"),
        ])
    func numbers(flag: String, value: String, range: String) async throws {
        #expect(
            try await problem("\(flag)=\(value)") == "\(flag)=\(value) is not a whole number from \(range); give one")
    }

    @Test(
        "Every other wrong value is named with its setting and the fix",
        arguments: [
            ("--roles=gateway,router", "has \"router\", which is no role"), ("--roles=,", "empty entry"),
            ("--node=a.b", "is no node id"),
            ("--node=\(String(repeating: "n", count: 49))", "is no node id"), ("--nats-prefix=a.b", "single token"),
            ("--nats-prefix=>", "single token"), ("--api-keys=short", "fewer than 8 bytes"),
            ("--api-keys=good-enough-key,bad key é", "no header"),
            ("--origins=https://a.example/", "is no origin"), ("--origins=*", "is no origin"),
            ("--origins=a.example", "is no origin"),
            ("--trusted-proxies=10.0.0.0/8,proxy", "\"proxy\", which is no address"),
            ("--log-level=loud", "is no log level"),
            ("--log-format=xml", "give json or text"), ("--auth-query-token=maybe", "neither true nor false"),
        ])
    func wrongValues(argument: String, part: String) async throws {
        let line = try await problem(argument)
        #expect(line.contains(part), "\(line)")
        #expect(line.hasPrefix(argument.prefix { $0 != "=" }), "\(line)")
        if argument.hasPrefix("--api-keys") { #expect(!line.contains("good-enough-key")) }
    }

    @Test("Good values arrive where they belong")
    func values() async throws {
        let loaded = try await load(
            "--sessions-per-user=0", "--sessions-per-address", "5", "--threads", "3", "--node", "gw-1", "--nats-prefix",
            "site_1",
            "--trusted-proxies", "10.0.0.0/8, ::1", "--auth-user-claim", "uid", "--auth-issuer", "https://id.example",
            "--auth-audience",
            "apus", "--auth-hs256-kid", "k1", "--api-keys", "first-key,second-key", "--log-level", "DEBUG",
            "--log-format", "text")
        let node = loaded.node
        #expect((node.sessionsPerUser, node.sessionsPerAddress, node.threads) == (0, 5, 3))
        #expect((node.node, node.natsPrefix) == ("gw-1", "site_1"))
        #expect(node.trustedProxies.map(\.description) == ["10.0.0.0/8", "::1"])
        #expect(
            node.auth.userClaim == "uid" && node.auth.issuer == "https://id.example" && node.auth.audience == "apus")
        #expect(node.auth.hs256KeyID == "k1")
        #expect(node.apiKeys == ["first-key", "second-key"])
        #expect(loaded.logLevel == .debug && loaded.logFormat == .text)
        #expect(loaded.warnings == [])
    }

    @Test("Without API keys there is a warning, not an error")
    func noKeys() async throws {
        let loaded = try await load()
        #expect(loaded.node.apiKeys == [])
        #expect(
            loaded.warnings == [
                "APUS_API_KEYS is unset: the backend API answers 401 to everything but health and metrics"
            ])
    }

    @Test("check-config shows every setting with its origin and no secret")
    func shown() async throws {
        let loaded = try await load(
            "--redis-url", "redis://me:hunter2@h/1",
            environment: ["APUS_NATS_URL": "nats://token-x@h", "APUS_API_KEYS": "first-key-of-all"])
        let table = CheckConfigCommand.table(loaded.shown)
        #expect(table.split(separator: "\n").count == Setting.all.count)
        for hidden in ["hunter2", "token-x", "first-key", goodSecret] { #expect(!table.contains(hidden)) }
        let redis = try #require(table.split(separator: "\n").first { $0.hasPrefix("APUS_REDIS_URL") })
        #expect(redis.contains("redis://***@h/1") && redis.hasSuffix("flag"))
        #expect(table.contains("<32 bytes, not shown>"))
    }
}

@Suite("A dev run")
struct DevConfigurationTests {
    @Test("It needs nothing, listens on this machine only, and has a secret, a key and two users of its own")
    func standalone() async throws {
        let loaded = try await load("--dev", "--data", "/nowhere", secret: nil)
        let dev = try #require(loaded.node.dev)
        #expect(loaded.node.listen == ListenAddress(host: "127.0.0.1", port: 8080))
        #expect(dev.users.map(\.text) == ["alice", "bob"])
        #expect(loaded.node.auth.hs256Secret == dev.secret)
        #expect(loaded.node.apiKeys == [dev.apiKey])
        #expect(SecretRules.problem(dev.secret, allowShort: false) == nil)
        #expect(loaded.logFormat == .text)
        #expect(loaded.warnings == [])
        let other = try await load("--dev", "--data", "/nowhere", secret: nil)
        #expect(other.node.dev?.secret != dev.secret)
    }

    @Test("What is configured wins over what it would bring")
    func configured() async throws {
        let loaded = try await load(
            "--dev", "--listen", "0.0.0.0:9", "--api-keys", "my-own-key", "--log-format", "json")
        #expect(loaded.node.listen.host == "0.0.0.0")
        #expect(loaded.warnings.contains { $0.hasPrefix("--dev listens on 0.0.0.0:9") })
        #expect(loaded.node.auth.hs256Secret == goodSecret && loaded.node.dev?.secret == goodSecret)
        #expect(loaded.node.apiKeys == ["my-own-key"] && loaded.node.dev?.apiKey == "my-own-key")
        #expect(loaded.logFormat == .json)
    }

    @Test("Its secrets stay with the data folder, readable by their owner only")
    func secretsStay() throws {
        let folder = try TestFolder.make("dev")
        defer { try? FileManager.default.removeItem(at: folder) }
        let data = folder.appendingPathComponent("new/data").path
        let first = try DevSecrets.load(folder: data, store: true)
        #expect(try DevSecrets.load(folder: data, store: true) == first)
        #expect(try DevSecrets.load(folder: data, store: false) == first)
        let file = data + "/" + DevSecrets.fileName
        let mode = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? NSNumber
        #expect(mode?.intValue == 0o600)
    }

    @Test("Looking at the configuration writes nothing")
    func readOnly() throws {
        let folder = try TestFolder.make("dev")
        defer { try? FileManager.default.removeItem(at: folder) }
        _ = try DevSecrets.load(folder: folder.path, store: false)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
    }

    @Test(
        "A damaged file is refused, not replaced",
        arguments: ["", "{}", "{\"hs256_secret\":\"short\",\"api_key\":\"x\"}"])
    func damaged(text: String) async throws {
        try await withFile(DevSecrets.fileName, text) { path in
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
            let line = try await problem("--dev", "--data", folder)
            #expect(
                line.hasPrefix("--data=\(folder) cannot hold the secrets of --dev")
                    && line.contains("is damaged; remove it"))
        }
    }
}
