import Core

/// A request to become a WebSocket (RFC 6455 §4.2.1), checked to the letter.
public struct UpgradeRequest: Sendable {
    /// `Sec-WebSocket-Key`: 16 bytes in Base64.
    public let key: String
    /// Whether `apus.v1` was offered and is to be echoed.
    public let offersApus: Bool
    /// The token and where it was found.
    public let token: String?

    /// What a request that is no good upgrade is answered with.
    public struct Refusal: Error, Hashable, Sendable {
        public let status: Int
        public let message: String
        /// Further header fields of the answer.
        public let fields: [String]
    }

    /// - Parameters:
    ///   - origins: The allow-list; empty allows any.
    ///   - queryToken: Whether `?token=` counts (`APUS_AUTH_QUERY_TOKEN`).
    /// - Throws: 400, 403, 405 or 426; never is such a request answered with 101.
    public init(_ head: RequestHead, origins: Set<String>, queryToken: Bool) throws(Refusal) {
        guard head.method == "GET" else { throw Self.refusal(405, "the upgrade is a GET", ["Allow: GET"]) }
        guard head.minorVersion == 1 else { throw Self.refusal(400, "the upgrade needs HTTP/1.1") }
        guard head.has("upgrade", token: "websocket") else {
            throw Self.refusal(
                426, "this is a WebSocket endpoint", ["Upgrade: websocket", "Sec-WebSocket-Version: 13"])
        }
        guard head.has("connection", token: "upgrade") else { throw Self.refusal(400, "Connection has no 'Upgrade'") }
        let versions = head.values("sec-websocket-version")
        guard versions == ["13"] else {
            throw Self.refusal(426, "only version 13 is spoken", ["Sec-WebSocket-Version: 13"])
        }
        let keys = head.values("sec-websocket-key")
        guard keys.count == 1, Self.isKey(keys[0]) else {
            throw Self.refusal(400, "Sec-WebSocket-Key must be 16 bytes in Base64")
        }
        guard head.values("content-length").allSatisfy({ $0 == "0" }), head.values("transfer-encoding").isEmpty else {
            throw Self.refusal(400, "the upgrade has no body")
        }
        let origin = head.values("origin")
        guard origins.isEmpty || origin.isEmpty || origin.count == 1 && origins.contains(origin[0]) else {
            throw Self.refusal(403, "this Origin is not on the allow-list (APUS_ORIGINS)")
        }
        key = keys[0]
        let offered = head.list("sec-websocket-protocol")
        offersApus = offered.contains("apus.v1")
        token = Self.token(head, offered, queryToken)
    }

    /// The first place where a token is found wins (PROTOCOL §2).
    private static func token(_ head: RequestHead, _ offered: [Substring], _ queryToken: Bool) -> String? {
        if let value = head.values("authorization").first {
            let parts = value.split(separator: " ", maxSplits: 1)
            if parts.count == 2, parts[0].lowercased() == "bearer" { return String(parts[1]) }
        }
        if let entry = offered.first(where: { $0.hasPrefix("bearer.") }) { return String(entry.dropFirst(7)) }
        return queryToken ? head.queryValue("token") : nil
    }

    /// 22 characters of Base64 and two of padding.
    private static func isKey(_ key: String) -> Bool {
        key.utf8.count == 24 && key.hasSuffix("==") && base64.matches(key.utf8.dropLast(2), lengths: 22...22)
    }

    private static let base64 = ASCIISet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")

    private static func refusal(_ status: Int, _ message: String, _ fields: [String] = []) -> Refusal {
        Refusal(status: status, message: message, fields: fields)
    }
}
