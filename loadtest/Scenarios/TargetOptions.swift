import ArgumentParser
import Foundation

/// What is put under load: an installation that runs already, or one that the scenario starts.
struct TargetOptions: ParsableArguments {
    @Option(
        name: .customLong("url"), parsing: .upToNextOption,
        help: "ws://host:port/ws of the nodes; sessions are spread over them. Without it, a site is started.")
    var urls: [String] = []

    @Option(help: "http://host:port of a backend listener: publishes go there when there is no --nats.")
    var backend: String?

    @Option(help: "nats://[user:password@]host:port: publishes go through JetStream and core NATS.")
    var nats: String?

    @Option(help: "APUS_NATS_PREFIX of the installation.")
    var natsPrefix = "apus"

    @Option(help: "APUS_AUTH_HS256_SECRET of the installation; by default that variable of this program.")
    var secret: String?

    @Option(name: .customLong("tokens"), help: "A file of users and tokens, a line each, instead of --secret.")
    var tokenFile: String?

    @Option(help: "One of APUS_API_KEYS, for --backend.")
    var apiKey: String?

    @Option(help: "Users are named <prefix>0000001 and so on.")
    var userPrefix = "u"

    func validate() throws {
        guard userPrefix.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C && $0 != 0x2E }) else {
            throw ValidationError("--user-prefix: only characters that a user id and a NATS subject may have")
        }
        guard !urls.isEmpty else {
            let given = [
                ("--backend", backend), ("--nats", nats), ("--secret", secret), ("--tokens", tokenFile),
                ("--api-key", apiKey), ("--nats-prefix", natsPrefix == "apus" ? nil : natsPrefix),
            ]
            for (option, value) in given where value != nil {
                throw ValidationError("\(option) belongs to an installation that runs: give its --url too")
            }
            return
        }
        guard tokenFile != nil || effectiveSecret != nil else {
            throw ValidationError("sessions need tokens: give --secret (APUS_AUTH_HS256_SECRET) or --tokens")
        }
        if backend != nil, nats == nil, apiKey == nil {
            throw ValidationError("--backend needs --api-key, one of the installation's APUS_API_KEYS")
        }
    }

    private var effectiveSecret: String? { secret ?? ProcessInfo.processInfo.environment["APUS_AUTH_HS256_SECRET"] }

    /// The installation that was named; nil when one is to be started.
    func target() -> Target? {
        guard !urls.isEmpty else { return nil }
        return Target(
            urls: urls, backends: backend.map { [$0] } ?? [], nats: nats, natsPrefix: natsPrefix,
            secret: effectiveSecret ?? "", apiKey: apiKey ?? "")
    }
}

/// How much load, and from where.
struct LoadOptions: ParsableArguments {
    @Option(help: "Sessions of distinct users to hold.")
    var sessions = 1000

    @Option(help: "New sessions per second.")
    var connectsPerSecond = 2000.0

    @Option(help: "Worker processes; by default as few as their limit of open files allows.")
    var workers: Int?

    @Option(help: "Source addresses, such as 127.0.0.2-20 or 10.0.0.7,10.0.0.8. By default the kernel's choice.")
    var sources: String?

    @Option(help: "Bytes of each payload (a JSON object), at least 72.")
    var bytes = 100

    @Option(
        help: """
            The share of sessions that never read, 0 to 1; they are not checked. At a rate, a site that is started here sends \
            them large events first, until its nodes hold something back.
            """)
    var slow = 0.0

    @Option(help: "How long to wait at the end for what has not come, in seconds; then it is lost.")
    var settle = 15.0

    func validate() throws {
        try OptionRange.check("--settle", settle, 0...600)
        try OptionRange.check("--sessions", sessions, OptionRange.sessions)
        try OptionRange.check("--connects-per-second", connectsPerSecond, OptionRange.perSecond)
        if let workers { try OptionRange.check("--workers", workers, 1...1000) }
        try OptionRange.check("--bytes", bytes, Marker.payloadBytesMin...16_000)
        try OptionRange.check("--slow", slow, 0...1)
        if let sources {
            do { _ = try LoadPlan.sources(sources) } catch { throw ValidationError("\(error)") }
        }
    }

    /// - Throws: `ValidationError` that names what makes no sense.
    func plan(_ target: TargetOptions) throws -> LoadPlan {
        var plan = LoadPlan(sessions: sessions, connectsPerSecond: connectsPerSecond, workers: workers)
        plan.sources = try sources.map { try LoadPlan.sources($0) } ?? []
        (plan.payloadBytes, plan.slowShare, plan.settleSeconds) = (bytes, slow, settle)
        (plan.userPrefix, plan.tokenFile) = (target.userPrefix, target.tokenFile)
        do { try plan.checkTokens() } catch { throw ValidationError("\(error)") }
        return plan
    }
}
