import ApusTesting
import Core
import Foundation
import Gateway
import Logging
import Spawn
import Testing

@testable import apus

@Suite("The commands, as a shell sees them")
struct CommandTests {
    /// Runs the built executable.
    private func run(_ arguments: String..., environment: [String: String] = [:]) async throws -> ChildProcess.Outcome {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        return try await ChildProcess.outcome(
            of: root.appendingPathComponent(".build/debug/apus").path, arguments, environment: environment,
            folder: FileManager.default.temporaryDirectory.path)
    }

    @Test("A configuration error is one line on stderr and status 64, before anything is started")
    func configurationError() async throws {
        for command in ["serve", "check-config"] {
            let outcome = try await run(
                command, "--redis-url", "redis://h", environment: ["APUS_AUTH_HS256_SECRET": goodSecret])
            #expect(outcome.status == 64)
            #expect(outcome.error.hasPrefix("apus: --redis-url is set and --nats-url is not"))
            #expect(outcome.error.split(separator: "\n").count == 1)
            #expect(outcome.output == "")
        }
        #expect(try await run("serve").status == 64)
        #expect(try await run("serve", "--nonsense").status == 64)
        #expect(try await run("nonsense").status == 64)
    }

    @Test("check-config prints the table and ends with 0; warnings go to stderr")
    func checkConfig() async throws {
        let outcome = try await run("check-config", "--dev", environment: ["APUS_TYPO": "1"])
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("APUS_LISTEN"))
        #expect(outcome.error == "warning: APUS_TYPO is in the environment and is no setting\n")
    }

    @Test("token prints a token that a node with the same settings accepts")
    func token() async throws {
        let environment = [
            "APUS_AUTH_HS256_SECRET": goodSecret, "APUS_AUTH_USER_CLAIM": "uid", "APUS_REDIS_URL": "redis://h",
        ]
        let outcome = try await run(
            "token", "--user", "alice", "--auth-issuer=me", "--ttl", "600", environment: environment)
        #expect(outcome.status == 0, "\(outcome.error)")
        var auth = AuthConfiguration(hs256Secret: goodSecret)
        auth.userClaim = "uid"
        auth.issuer = "me"
        let verifier = TokenVerifier(auth, logger: Logger(label: "test"))
        try await verifier.start()
        let now = SystemTime().wallMilliseconds()
        let verified = try await verifier.verify(outcome.output.trimmingCharacters(in: .newlines), nowMilliseconds: now)
        #expect(verified.user.text == "alice")
        #expect(now / 1000 + 500...now / 1000 + 600 ~= verified.expiresAtSeconds)
    }

    @Test("token refuses what makes no token, with status 64")
    func wrongToken() async throws {
        let environment = ["APUS_AUTH_HS256_SECRET": goodSecret]
        #expect(try await run("token", environment: environment).status == 64)
        #expect(try await run("token", "--user", "a b", environment: environment).error.contains("no user id"))
        #expect(try await run("token", "--user", "a", "--ttl", "0", environment: environment).error.contains("--ttl 0"))
        let noSecret = try await run("token", "--user", "a")
        #expect(noSecret.status == 64 && noSecret.error.contains("APUS_AUTH_HS256_SECRET is unset"))
    }

    @Test("help explains every setting, and version says which one this is")
    func help() async throws {
        let help = try await run("serve", "--help").output
        for setting in Setting.all { #expect(help.contains(setting.flag)) }
        #expect(try await run("version").output == "apus \(Version.text)\n")
    }

    @Test("The documentation has the table of settings as they are")
    func documentation() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = root.appendingPathComponent("docs/configuration.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let (begin, end) = ("<!-- settings -->\n", "<!-- end of settings -->")
        let start = try #require(text.range(of: begin)).upperBound
        let stop = try #require(text.range(of: end)).lowerBound
        if ProcessInfo.processInfo.environment["WRITE_DOCS"] == "1" {
            try text.replacingCharacters(in: start..<stop, with: Setting.markdown).write(
                to: page, atomically: true, encoding: .utf8)
        } else {
            #expect(text[start..<stop] == Setting.markdown, "WRITE_DOCS=1 swift test --filter documentation writes it")
        }
    }
}

@Suite("Log lines")
struct LogHandlerTests {
    private final class Lines: @unchecked Sendable {
        // SAFETY: one test appends and reads, on one thread.
        var text = ""
    }

    @Test("JSON: one object per line, with time, level, message, logger and flat metadata")
    func json() throws {
        let lines = Lines()
        var handler = LineLogHandler(label: "apus.hub", format: .json, logLevel: .info) {
            lines.text += String(decoding: $0, as: UTF8.self)
        }
        handler.metadata = ["node": "gw-1", "level": "clash"]
        var logger = Logger(label: "apus.hub", factory: { _ in handler })
        logger[metadataKey: "session"] = "s-1"
        logger.info(
            "a \"quoted\"\nline", metadata: ["deep": ["b": "2", "a": ["x", "y"]], "node": "nearer", "number": "\(7)"])
        logger.debug("not written")
        #expect(lines.text.hasSuffix("\n"))
        #expect(lines.text.split(separator: "\n").count == 1)
        let object = try #require(try JSONSerialization.jsonObject(with: Data(lines.text.utf8)) as? [String: String])
        let time = try #require(object["time"])
        #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
        #expect(
            object.filter { $0.key != "time" } == [
                "level": "info", "msg": "a \"quoted\"\nline", "logger": "apus.hub", "session": "s-1", "node": "nearer",
                "level_": "clash",
                "deep.a.0": "x", "deep.a.1": "y", "deep.b": "2", "number": "7",
            ])
    }

    @Test("Text: one line, without control characters")
    func text() {
        let lines = Lines()
        let handler = LineLogHandler(label: "apus", format: .text, logLevel: .info) {
            lines.text += String(decoding: $0, as: UTF8.self)
        }
        let logger = Logger(label: "apus", factory: { _ in handler })
        logger.warning("bad\u{1B}[2Jthing\n", metadata: ["k": "v", "spaced": "a b", "e": "\u{1B}[31m"])
        let line = lines.text.dropFirst(13)
        #expect(line == "warning  bad [2Jthing  e=\"\\u001b[31m\" k=v spaced=\"a b\"\n")
    }

    @Test("Time is RFC 3339 with milliseconds")
    func time() {
        #expect(LogTime.rfc3339(0) == "1970-01-01T00:00:00.000Z")
        #expect(LogTime.rfc3339(1_795_417_201_007) == "2026-11-23T07:00:01.007Z")
    }
}
