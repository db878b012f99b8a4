import Core
import NIOCore
import NIOPosix

/// Who takes a command to the server that its key is on.
///
/// A caller on one of the event loops uses that loop's connections and gets the answer there, without a hop. Any other
/// thread uses the loop that the command's lane chooses. So one thread's calls for one user stay in order.
protocol RedisPool: Sendable {
    /// Whether every loop has its connection to every server.
    var isConnected: Bool { get }

    /// Called after an outage, when every connection is there again.
    func onReconnect(_ action: @escaping @Sendable () -> Void)

    /// The name of a script; nil before the first connection.
    func digest(of script: RedisScript) -> [UInt8]?

    /// Sends one command. An error reply is a failure.
    func send(_ command: RedisCommand, _ done: @escaping Completion<RedisReply>)

    /// Sends commands of many keys, and gives their answers in their order when all are there.
    func sendEach(_ commands: [RedisCommand], _ done: @escaping @Sendable ([RedisBatch.Answer]) -> Void)

    /// The servers that have the data, as they are known now.
    var servers: [RedisConfiguration] { get }

    /// Sends a command without a key to one of `servers`.
    func send(_ arguments: RedisArguments, to server: RedisConfiguration, _ done: @escaping Completion<RedisReply>)

    /// Connects every loop, trying again until `within` has passed.
    ///
    /// - Throws: At once when a server refuses (password, TLS); otherwise the last failure when the time is over.
    func connect(within: TimeAmount) async throws(RedisStartError)

    /// Waits for the answers in flight and closes.
    func close() async
}

extension RedisPool {
    /// The same; the first failure fails all.
    func send(_ commands: [RedisCommand], _ done: @escaping Completion<[RedisReply]>) {
        sendEach(commands) { done(RedisBatch.whole($0)) }
    }
}

/// One value for each event loop.
struct PerLoop<Value: Sendable>: Sendable {
    let all: [Value]
    private let byLoop: [ObjectIdentifier: Value]

    /// - Parameter make: Takes the loop, its number, and how many there are.
    init(_ group: any EventLoopGroup, _ make: (any EventLoop, Int, Int) -> Value) {
        let loops = Array(group.makeIterator())
        let all = loops.enumerated().map { make($1, $0, loops.count) }
        self.all = all
        byLoop = Dictionary(uniqueKeysWithValues: zip(loops.map { ObjectIdentifier($0) }, all))
    }

    /// The value of the caller's own loop; for another thread, the one that the lane's tag chooses.
    func mine(_ lane: String) -> Value {
        if let loop = MultiThreadedEventLoopGroup.currentEventLoop, let own = byLoop[ObjectIdentifier(loop)] {
            return own
        }
        return all[Int(Fingerprint.of(RedisKeyTag.of(lane)) % UInt64(all.count))]
    }
}
