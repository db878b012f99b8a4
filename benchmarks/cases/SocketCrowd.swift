import Core
import NIOCore
import NIOPosix
import Synchronization
import Wire

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Sessions of distinct users that said hello and then only listen: their bytes are counted and thrown away.
public final class SocketCrowd: Sendable {
    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let channels = Mutex<[any Channel]>([])
    private let tally = Tally()
    /// Sockets that are opened at a time.
    private static let atOnce = 100

    public init() {
        // As many files as the system allows: one socket is one file, and the usual soft limit is 1024.
        var limit = rlimit()
        guard getrlimit(Self.openFiles, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(Self.openFiles, &limit)
    }

    #if canImport(Glibc)
        private static let openFiles = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    #else
        private static let openFiles = RLIMIT_NOFILE
    #endif

    /// Bytes that came after the greetings.
    var receivedBytes: Int { tally.received.load(ordering: .acquiring) }

    /// Opens a session for each token.
    /// - Parameter topic: What each subscribes to.
    public func open(port: Int, tokens: [String], topic: Topic? = nil) async throws {
        var rest = tokens[...]
        while !rest.isEmpty {
            let batch = rest.prefix(Self.atOnce)
            rest = rest.dropFirst(Self.atOnce)
            let wanted = tally.greeted.load(ordering: .acquiring) + batch.count
            let futures = batch.map { connect(port: port, token: $0, topic: topic) }
            for future in futures {
                let channel = try await future.get()
                channels.withLock { $0.append(channel) }
            }
            try await until("\(batch.count) sessions are greeted") {
                self.tally.greeted.load(ordering: .acquiring) >= wanted
            }
        }
    }

    private func connect(port: Int, token: String, topic: Topic?) -> EventLoopFuture<any Channel> {
        let tally = tally
        return ClientBootstrap(group: group)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Listening(tally, token: token, topic: topic))
                }
            }
            .connect(host: "127.0.0.1", port: port)
    }

    /// Waits until so many bytes came in all after the greetings.
    func waitForBytes(_ count: Int) async throws {
        try await until("\(count) bytes are received") { self.receivedBytes >= count }
    }

    private func until(_ what: String, _ condition: @Sendable () -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while !condition() {
            guard ContinuousClock.now < deadline else { throw BenchmarkError("not within 60 s: \(what)") }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// Closes all of them.
    public func close() async {
        for channel in channels.withLock({ $0 }) { try? await channel.close().get() }
        try? await group.shutdownGracefully()
    }
}

private final class Tally: Sendable {
    let greeted = Atomic(0)
    let received = Atomic(0)
}

/// Says everything at once when the socket is open, and waits for both answers.
private final class Listening: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let tally: Tally
    private let opening: ByteBuffer
    private let marks: [String]
    /// What came before the marks; nil once they are there.
    private var greeting: String? = ""

    init(_ tally: Tally, token: String, topic: Topic?) {
        self.tally = tally
        var opening = ByteBuffer(
            string: "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        opening.writeImmutableBuffer(
            FrameEncoder.client(.text, Array(#"{"id":1,"op":"hello","token":"\#(token)"}"#.utf8)))
        if let topic {
            opening.writeImmutableBuffer(
                FrameEncoder.client(.text, Array(#"{"id":2,"op":"subscribe","topic":"\#(topic)"}"#.utf8)))
        }
        self.opening = opening
        marks = ["\"welcome\""] + (topic == nil ? [] : ["\"re\":2"])
    }

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(opening), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard let before = greeting else {
            tally.received.add(bytes.readableBytes, ordering: .acquiringAndReleasing)
            return
        }
        let all = before + String(buffer: bytes)
        let isWhole = marks.allSatisfy(all.contains)
        greeting = isWhole ? nil : all
        if isWhole { tally.greeted.add(1, ordering: .acquiringAndReleasing) }
    }
}
