import Core

extension HandshakeStep.Kind {
    /// What a step's answer says against using this server; nil when it may be used.
    func failure(_ reply: RedisReply) -> RedisStartError? {
        switch (self, reply) {
        case (.name, _): return nil
        case (.role, .list(let role)):
            guard let name = role.first?.string, name != "master" else { return nil }
            return RedisStartError(.unsuitable, "the server is a replica", fix: "name the master")
        case (.role, _): return nil
        case (_, .error(let message)): return refusal(message)
        case (.load, let reply) where reply.bytes?.count != 40:
            return .unreachable("SCRIPT LOAD was not answered with a digest")
        default: return nil
        }
    }

    private func refusal(_ message: String) -> RedisStartError {
        let text = "the server says: \(message.prefix(160))"
        switch (RedisErrors.kind(message), self) {
        case ("LOADING", _): return .unreachable(text)
        case ("WRONGPASS", _), ("NOAUTH", _), (_, .auth):
            return RedisStartError(.refused, text, fix: "check user and password: redis://user:password@host:port")
        case ("NOPERM", _):
            return RedisStartError(.refused, text, fix: "allow the user +script|load, +evalsha and the keys ~apus:*")
        case (_, .select):
            return RedisStartError(.configuration, text, fix: "check the database number at the end")
        default: return .unreachable(text)
        }
    }
}

extension RedisStartError {
    /// The server is away or not ready; it is tried again.
    static func unreachable(_ problem: String) -> RedisStartError {
        RedisStartError(.unreachable, problem, fix: "start Redis there, or correct host and port")
    }
}
