import Core
import Crypto
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Wire

/// The backend listener: what PROTOCOL §4 lists, on Hummingbird.
struct BackendAPI: Sendable {
    let node: NodeContext
    let backend: Backend
    /// Renders `/metrics`.
    let metrics: @Sendable () -> String

    func router() -> Router<BasicRequestContext> {
        let router = Router(context: BasicRequestContext.self)
        router.add(middleware: ErrorsAsJSON())
        router.get("healthz") { _, _ in Self.json(.ok, Readiness.healthy) }
        router.get("readyz") { _, _ in
            let ready = node.readiness.report(node)
            return Self.json(ready.isReady ? .ok : .serviceUnavailable, ready.body)
        }
        router.get("metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(byteBuffer: ByteBuffer(string: metrics())))
        }
        let guarded = router.group("v1").add(middleware: APIKeys(node.configuration.apiKeys))
        addPublishing(guarded)
        addQuestions(guarded)
        addRefusals(router)
        return router
    }

    /// Every other method of a known path is answered 405, not 404.
    private func addRefusals(_ router: Router<BasicRequestContext>) {
        for (path, routes) in Dictionary(grouping: router.routes, by: { $0.path.description }) {
            let served = routes.map(\.method)
            let allow = served.map(\.rawValue).sorted().joined(separator: ", ")
            for method in [HTTPRequest.Method.get, .post, .put, .patch, .delete] where !served.contains(method) {
                router.on(RouterPath(path), method: method) { _, _ -> Response in
                    var response = ErrorsAsJSON.answer(
                        .badRequest("only \(allow) is served here"), status: .methodNotAllowed)
                    response.headers[.allow] = allow
                    return response
                }
            }
        }
    }

    private func addPublishing(_ routes: RouterGroup<BasicRequestContext>) {
        routes.post("notifications") { request, _ in
            let body = try await Self.body(request)
            let headers = request.headers
            return Self.batch(
                try await backend.notify(
                    body, isLines: Self.isLines(request), key: headers[.idempotencyKey],
                    cloudEvent: Notifier.cloudEvent(headers.map { ($0.name.rawName, $0.value) })))
        }
        routes.post("messages") { request, _ in
            Self.batch(
                try await backend.messages(
                    try await Self.body(request), isLines: Self.isLines(request),
                    key: request.headers[.idempotencyKey]))
        }
        routes.post("live") { request, _ in
            Self.batch(try backend.live(try await Self.body(request), isLines: Self.isLines(request)))
        }
        routes.post("topics/:topic") { request, context in
            guard let topic = context.parameters.get("topic").flatMap({ Topic($0) }) else {
                throw ApusError.badRequest("topic: must match [A-Za-z0-9._-]{1,128}")
            }
            return Self.batch(
                try backend.publish(to: topic, try await Self.body(request), isLines: Self.isLines(request)))
        }
    }

    private func addQuestions(_ routes: RouterGroup<BasicRequestContext>) {
        routes.get("users/:user/presence") { _, context in
            let user = try Self.user(context)
            let states = try await backend.presence(of: [user])
            guard let state = (try? JSONObject(states))?["states"]?.object?[user.text] else {
                throw HTTPError(.internalServerError)
            }
            return Self.json(.ok, Array(state.bytes))
        }
        routes.post("presence") { request, _ in
            let users = try Backend.users(try Self.object(try await Self.body(request)))
            return Self.json(.ok, try await backend.presence(of: users))
        }
        routes.get("users/:user/unread") { _, context in
            Self.json(.ok, try await backend.unread(of: try Self.user(context)))
        }
        routes.get("users/:user/timeline") { request, context in
            let after = try Self.integer(request, "after", 0...Int64.max) ?? 0
            let limit = try Self.integer(request, "limit", 1...Int64(Limits.syncPageMax)) ?? Int64(Limits.syncPageMax)
            return Self.json(
                .ok, try await backend.timeline(of: try Self.user(context), after: after, limit: Int(limit)))
        }
        routes.post("users/:user/disconnect") { request, context in
            let body = try await Self.body(request)
            let object = try Self.object(body.isEmpty ? Array("{}".utf8) : body)
            return Self.json(
                .ok,
                try await backend.disconnect(
                    try Self.user(context), code: try object.integer("code", 0...9999),
                    reason: try object.text("reason")))
        }
        routes.get("nodes") { _, _ in Self.json(.ok, backend.nodes()) }
    }

    // MARK: Reading requests

    private static func body(_ request: Request) async throws -> [UInt8] {
        let length = request.headers[.contentLength].flatMap(Int.init)
        if let length, length > Limits.backendBodyBytesMax {
            throw ApusError(.tooLarge, "the body has more than \(Limits.backendBodyBytesMax) bytes")
        }
        let body: [UInt8]
        do {
            body = Array(buffer: try await request.body.collect(upTo: Limits.backendBodyBytesMax))
        } catch is NIOTooManyBytesError {
            throw ApusError(.tooLarge, "the body has more than \(Limits.backendBodyBytesMax) bytes")
        }
        // A connection that is closed in the middle looks like the body's end: a batch would be taken in part.
        if let length, body.count < length { throw ApusError.badRequest("the body ended before its Content-Length") }
        return body
    }

    private static func isLines(_ request: Request) -> Bool {
        request.headers[.contentType]?.lowercased().contains("ndjson") ?? false
    }

    private static func object(_ body: [UInt8]) throws -> JSONObject {
        try JSONObject.request(body)
    }

    private static func user(_ context: BasicRequestContext) throws -> UserID {
        guard let user = context.parameters.get("user").flatMap({ PercentEncoding.decoded($0) }).flatMap({ UserID($0) })
        else {
            throw ApusError.badRequest("user: must be 1 to 64 of A-Za-z0-9._:@+=~-")
        }
        return user
    }

    private static func integer(_ request: Request, _ name: String, _ range: ClosedRange<Int64>) throws -> Int64? {
        guard let text = request.uri.queryParameters.get(name) else { return nil }
        guard let number = Int64(text), range.contains(number) else {
            throw ApusError.badRequest("\(name): must be an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    // MARK: Answering

    static func json(_ status: HTTPResponse.Status, _ body: [UInt8]) -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }

    private static func batch(_ answer: BatchAnswer) -> Response {
        var response = json(.init(code: answer.status), answer.body)
        if answer.status == 503 { response.headers[.retryAfter] = "1" }
        return response
    }
}

extension HTTPField.Name {
    fileprivate static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
}

/// Every error as `{"error":{"code","message"}}` with a fitting status.
private struct ErrorsAsJSON: RouterMiddleware {
    func handle(
        _ request: Request, context: BasicRequestContext, next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        do { return try await next(request, context) } catch let error as ApusError {
            return Self.answer(error)
        } catch let error as HTTPError {
            switch error.status {
            case .notFound:
                return Self.answer(
                    ApusError(.notFound, "no such resource: \(request.method.rawValue) \(request.uri.path)"))
            default:
                return Self.answer(
                    ApusError(.badRequest, error.body ?? error.status.reasonPhrase), status: error.status)
            }
        }
    }

    static func answer(_ error: ApusError, status: HTTPResponse.Status? = nil) -> Response {
        var response = BackendAPI.json(
            status ?? error.status, JSONWriter.object { $0.member("error", object: error.write) })
        if let retry = error.retryMilliseconds { response.headers[.retryAfter] = String((retry + 999) / 1000) }
        if error.code == .unauthenticated { response.headers[.wwwAuthenticate] = "Bearer" }
        return response
    }
}

extension ApusError {
    fileprivate var status: HTTPResponse.Status {
        switch code {
        case .badRequest, .unknownOp: .badRequest
        case .unauthenticated: .unauthorized
        case .forbidden: .forbidden
        case .notFound: .notFound
        case .conflict: .conflict
        case .tooLarge: .contentTooLarge
        case .rateLimited: .tooManyRequests
        case .unavailable: .serviceUnavailable
        case .internal: .internalServerError
        }
    }
}

/// `Authorization: Bearer <api key>`. Keys are compared by their hashes, so the time tells nothing of them.
private struct APIKeys: RouterMiddleware {
    private let digests: Set<SHA256Digest>

    init(_ keys: [String]) { digests = Set(keys.map { SHA256.hash(data: Array($0.utf8)) }) }

    func handle(
        _ request: Request, context: BasicRequestContext, next: (Request, BasicRequestContext) async throws -> Response
    ) async throws -> Response {
        let parts = request.headers[.authorization]?.split(separator: " ", maxSplits: 1) ?? []
        guard parts.count == 2, parts[0].lowercased() == "bearer",
            digests.contains(SHA256.hash(data: Array(parts[1].utf8)))
        else {
            throw ApusError(.unauthenticated, "Authorization: Bearer <api key> is missing or unknown (APUS_API_KEYS)")
        }
        return try await next(request, context)
    }
}
