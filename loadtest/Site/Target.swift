/// What a scenario talks to, whoever started it.
struct Target: Equatable, Sendable {
    /// `ws://host:port/ws` of each node.
    var urls: [String]
    /// `http://host:port` of each node's backend listener, in the same order; empty when unknown.
    var backends: [String] = []
    /// `nats://host:port`; nil for embedded nodes.
    var nats: String?
    var natsPrefix = "apus"
    /// Of HS256 tokens.
    var secret: String
    var apiKey = ""
}
