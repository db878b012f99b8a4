import Core
import Synchronization
import Wire

/// A file that the public listener serves with `--dev`.
public struct SiteFile: Sendable {
    public var contentType: String
    public var bytes: [UInt8]

    public init(contentType: String, bytes: [UInt8]) {
        self.contentType = contentType
        self.bytes = bytes
    }
}

/// What the public listener answers beside `/ws`: health, and with `--dev` the demo page.
struct Site: Sendable {
    /// What `--dev` adds.
    struct Development: Sendable {
        var configuration: DevConfiguration
        var node: NodeConfiguration

        init(_ configuration: DevConfiguration, _ node: NodeConfiguration) {
            self.configuration = configuration
            self.node = node
        }
    }

    let files: [String: SiteFile]
    let readiness: Readiness
    let development: Development?
    let time: any TimeSource

    private static let policy = [
        "Content-Security-Policy: default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'",
        "X-Content-Type-Options: nosniff", "Referrer-Policy: no-referrer", "Cache-Control: no-cache",
    ]

    func bodyBytesMax(of request: RequestHead) -> Int {
        development != nil && request.path == "/dev/notify" ? Limits.notificationBytesMax : 0
    }

    func answer(
        _ request: RequestHead, body: [UInt8], node: NodeContext, _ done: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        if development != nil, request.path == "/dev/notify" { return publish(request, body, node, done) }
        guard request.method == "GET" || request.method == "HEAD" else {
            return done(.error(405, "bad_request", "only GET is served here", fields: ["Allow: GET, HEAD"]))
        }
        switch request.path {
        case "/healthz": done(HTTPAnswer(200, contentType: "application/json", body: Readiness.healthy))
        case "/readyz":
            let report = readiness.report(node)
            done(HTTPAnswer(report.isReady ? 200 : 503, contentType: "application/json", body: report.body))
        case "/dev/session" where development != nil: Task { done(await session()) }
        default:
            guard development != nil, let file = files[request.path] else {
                return done(.error(404, "not_found", "nothing is at \(request.path)"))
            }
            done(HTTPAnswer(200, fields: Self.policy, contentType: file.contentType, body: file.bytes))
        }
    }

    // MARK: Development

    /// Demo users with fresh tokens, and how to publish from a shell.
    private func session() async -> HTTPAnswer {
        guard let development, let minter = try? await TokenMinter(development.node.auth) else {
            return .error(404, "not_found", "only with --dev")
        }
        let now = time.wallMilliseconds()
        let backend = "http://\(development.node.backendListen.browserAddress)"
        let body = JSONWriter.object { writer in
            writer.member(
                "users",
                array: { list in
                    for user in development.configuration.users {
                        list.object {
                            $0.member("user", user.text)
                            $0.member("name", user.text.prefix(1).uppercased() + user.text.dropFirst())
                            $0.member(
                                "token", (try? minter.token(for: user, ttlSeconds: 3600, nowMilliseconds: now)) ?? "")
                        }
                    }
                })
            writer.member("apiKey", development.configuration.apiKey)
            writer.member("backend", backend)
            writer.member("curl", development.configuration.curl(backend: backend))
        }
        return HTTPAnswer(200, fields: ["Cache-Control: no-store"], contentType: "application/json", body: body)
    }

    /// The page's form: published as `POST /v1/notifications` would, with the node's own key.
    private func publish(
        _ request: RequestHead, _ body: [UInt8], _ node: NodeContext, _ done: @escaping @Sendable (HTTPAnswer) -> Void
    ) {
        guard request.method == "POST" else {
            return done(.error(405, "bad_request", "only POST is taken here", fields: ["Allow: POST"]))
        }
        // A page of another site may send a form here, but not as JSON without asking first (CORS).
        guard request.values("content-type").first?.lowercased().hasPrefix("application/json") == true else {
            return done(.error(415, "bad_request", "Content-Type must be application/json"))
        }
        Task {
            do throws(ApusError) {
                let answer = try await Backend(node: node).notify(body, isLines: false, key: nil, cloudEvent: [:])
                done(HTTPAnswer(answer.status, contentType: "application/json", body: answer.body))
            } catch { done(.error(error.code == .tooLarge ? 413 : 400, error.code.rawValue, error.message)) }
        }
    }
}

extension DevConfiguration {
    /// A line for the shell that publishes one notification.
    public func curl(backend: String) -> String {
        let user = users.first?.text ?? "alice"
        return "curl -s \(backend)/v1/notifications -H 'Authorization: Bearer \(apiKey)' "
            + "-d '{\"to\":\"\(user)\",\"type\":\"post.liked\",\"actor\":{\"name\":\"Bob\"},\"data\":{\"text\":\"liked your post\"}}'"
    }
}

/// Whether the node may get traffic: stores reachable and not draining (PROTOCOL §4).
final class Readiness: Sendable {
    static let healthy = JSONWriter.object { $0.member("status", "ok") }

    private let draining = Mutex(false)
    private let started = Mutex<Probe?>(nil)

    /// A closure stored bare in a Mutex would gain a wrapper at every reading; in a struct it does not.
    private struct Probe { let isStoreConnected: @Sendable () -> Bool }

    /// The node is up; `isStoreConnected` is asked from now on.
    func start(isStoreConnected: @escaping @Sendable () -> Bool) {
        started.withLock { $0 = Probe(isStoreConnected: isStoreConnected) }
    }

    func drain() { draining.withLock { $0 = true } }
    var isDraining: Bool { draining.withLock { $0 } }

    func report(_ node: NodeContext) -> (isReady: Bool, body: [UInt8]) {
        let store = started.withLock { $0 }?.isStoreConnected() ?? false
        let bus = node.bus.isConnected
        // The bus is told of, but not asked for: without NATS messages are still taken and delivered, later on other
        // nodes (G11), and a balancer that emptied a whole fleet would help nobody.
        let isReady = store && !isDraining
        let body = JSONWriter.object {
            $0.member("status", isReady ? "ready" : isDraining ? "draining" : "unavailable")
            $0.member("store", store)
            $0.member("bus", bus)
        }
        return (isReady, body)
    }
}

extension ListenAddress {
    /// The address as a client on this machine reaches it.
    public var browserAddress: String {
        host == "0.0.0.0" || host == "::" ? "127.0.0.1:\(port)" : description
    }
}
