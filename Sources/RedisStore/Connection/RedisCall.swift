import Core
import NIOCore

/// A command on its way, with who waits for the answer.
struct RedisCall: Sendable {
    /// Kept until the answer is there, because a script that the server has forgotten is sent again.
    let bytes: ByteBuffer
    /// Monotonic nanoseconds.
    let startedAt: UInt64
    let deadline: UInt64
    /// A script that the server has forgotten is sent again so often at most, within its deadline: somebody may make the
    /// server forget it again meanwhile.
    static let resendsMax = 20

    /// How often it was sent again after the server had forgotten its scripts.
    var resends = 0
    /// `bytes` begin with `ASKING`, which has an answer of its own.
    var isAsking = false
    /// An error of the server is handed over as it is, for a Cluster's servers say by it where a key is.
    var takesErrors = false
    /// In strict durability it is answered when a replica has it too.
    var isConfirmed = false
    /// Sent also to a server that is late: what it is for would make everything worse if it were not done.
    var isVital = false
    let done: Done

    typealias Done = @Sendable (Result<RedisReply, StoreError>) -> Void
}

/// One command of the handshake.
struct HandshakeStep: Sendable {
    enum Kind: Hashable, Sendable { case auth, select, name, role, load(RedisScript) }

    let kind: Kind
    let bytes: ByteBuffer

    init(_ kind: Kind, _ arguments: RedisArguments) {
        self.kind = kind
        bytes = arguments.encoded()
    }

    /// What a connection that carries commands begins with.
    static func all(for configuration: RedisConfiguration) -> [HandshakeStep] {
        var steps = login(for: configuration)
        steps.append(HandshakeStep(.role, RedisArguments("ROLE")))
        for script in RedisScript.allCases {
            var words = RedisArguments("SCRIPT", "LOAD")
            words.add(script.source)
            steps.append(HandshakeStep(.load(script), words))
        }
        return steps
    }

    /// What every connection begins with.
    static func login(for configuration: RedisConfiguration) -> [HandshakeStep] {
        var steps: [HandshakeStep] = []
        if let password = configuration.password {
            var words = RedisArguments("AUTH")
            if let user = configuration.username { words.add(user) }
            words.add(password)
            steps.append(HandshakeStep(.auth, words))
        }
        if configuration.database != 0 {
            steps.append(HandshakeStep(.select, RedisArguments("SELECT", String(configuration.database))))
        }
        steps.append(HandshakeStep(.name, RedisArguments("CLIENT", "SETNAME", "apus")))
        return steps
    }
}
