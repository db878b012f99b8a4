import Core

/// Every subject that Apus uses (PROTOCOL §3), under one prefix (`APUS_NATS_PREFIX`).
public struct Subjects: Hashable, Sendable {
    /// `[A-Za-z0-9_-]+` tokens joined by dots.
    public let prefix: String

    /// - Returns: nil when a token of the prefix is empty or has another character.
    public init?(prefix: String) {
        let set = ASCIISet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
        let tokens = prefix.split(separator: ".", omittingEmptySubsequences: false)
        guard tokens.allSatisfy({ set.matches($0.utf8, lengths: 1...32) }), prefix.utf8.count <= 64 else { return nil }
        self.prefix = prefix
    }

    // MARK: Durable, in streams

    /// What the stream `APUS_IN` captures.
    public var inAll: String { "\(prefix).in.>" }
    public var inNotify: String { "\(prefix).in.notify" }
    public var inMessage: String { "\(prefix).in.message" }
    /// What the stream `APUS_DEAD` captures.
    public var dead: String { "\(prefix).dead" }
    /// The stream's names: the prefix in capitals, dots as underscores.
    public var inStream: String { streamPrefix + "_IN" }
    public var deadStream: String { streamPrefix + "_DEAD" }
    private var streamPrefix: String { String(prefix.uppercased().map { $0 == "." ? "_" : $0 }) }

    // MARK: Live

    public var liveUsers: String { "\(prefix).live.user.*" }
    public var liveTopics: String { "\(prefix).live.topic.>" }
    public var liveAll: String { "\(prefix).live.all" }

    // MARK: Between nodes

    /// What reaches one incarnation of a node: events to deliver, heartbeats, control.
    public func node(_ incarnation: Incarnation) -> String { "\(prefix).node.\(incarnation.text)" }
    /// What reaches every node.
    public var nodesAll: String { "\(prefix).nodes" }

    /// What happened to the presence of the users of one bucket.
    public func presence(_ bucket: Int) -> String { "\(prefix).presence.\(bucket)" }

    // MARK: Request and reply

    public func rpc(_ name: String) -> String { "\(prefix).rpc.\(name)" }

    /// The last tokens of a subject below `base`, for example the user in `apus.in.notify.<user>`.
    public static func rest(of subject: String, below base: String) -> Substring? {
        // By bytes: subjects are ASCII, and characters would be looked for one by one.
        let (whole, start) = (subject.utf8, base.utf8)
        guard whole.count > start.count, whole.starts(with: start) else { return nil }
        let dot = whole.index(whole.startIndex, offsetBy: start.count)
        guard whole[dot] == UInt8(ascii: ".") else { return nil }
        return subject[whole.index(after: dot)...]
    }
}
