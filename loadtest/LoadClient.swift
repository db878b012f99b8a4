import ArgumentParser
import NIOCore
import NIOPosix
import Synchronization
import Wire

/// One session of the load generator: says hello, answers pings, counts events.
final class LoadClient: ChannelInboundHandler, @unchecked Sendable {
    // SAFETY: everything but `count` is touched on the channel's loop only; `onFrame` is set before frames are awaited.
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let user: String
    private let token: String
    private let welcomed: EventLoopPromise<Void>
    private var loop: any EventLoop { welcomed.futureResult.eventLoop }
    private let count = Atomic<Int>(0)
    private var context: ChannelHandlerContext?
    /// Gets every text frame behind `welcome`, on the channel's loop. Set before anything is sent.
    var onFrame: (@Sendable ([UInt8]) -> Void)?
    private var isUpgraded = false
    private var decoder = FrameDecoder()
    private static let options = FrameDecoder.Options(fromClient: false)

    init(user: String, token: String, welcomed: EventLoopPromise<Void>) {
        self.user = user
        self.token = token
        self.welcomed = welcomed
    }

    /// Durable events received.
    var events: Int { count.load(ordering: .relaxed) }

    /// Sends a text frame; what is sent in one turn of the loop leaves together.
    func send(_ text: String) {
        let frame = FrameEncoder.client(.text, Array(text.utf8))
        loop.execute { if let context = self.context { self.send(context, frame) } }
    }

    func close() { context?.eventLoop.execute { self.context?.close(promise: nil) } }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        send(
            context,
            ByteBuffer(
                string: """
                    GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n
                    """))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if !isUpgraded {
            // The gateway sends nothing behind its 101 until it has heard hello.
            guard String(buffer: bytes).hasPrefix("HTTP/1.1 101 ") else {
                welcomed.fail(ValidationError("the upgrade was refused: \(String(buffer: bytes).prefix(200))"))
                return context.close(promise: nil)
            }
            isUpgraded = true
            return send(context, FrameEncoder.client(.text, Array(#"{"id":1,"op":"hello","token":"\#(token)"}"#.utf8)))
        }
        while let output = decoder.next(&bytes, Self.options) {
            switch output {
            case .text(let frame): take(frame)
            case .ping(let payload): send(context, FrameEncoder.client(.pong, payload))
            default: break
            }
        }
    }

    private func take(_ frame: [UInt8]) {
        if frame.starts(with: #"{"ev":"welcome""#.utf8) { return welcomed.succeed() }
        onFrame?(frame)
        if frame.starts(with: #"{"ev":"notification""#.utf8) { count.add(1, ordering: .relaxed) }
    }

    private func send(_ context: ChannelHandlerContext, _ bytes: ByteBuffer) {
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.context = nil
        welcomed.fail(ValidationError("a session was closed before its welcome"))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

enum LoadClients {
    /// At most this many handshakes at once.
    private static let openingMax = 200

    /// Opens sessions of `<prefix>-0…` and returns when each has its welcome.
    static func open(
        _ count: Int, prefix: String, at node: NodeUnderTest, on group: MultiThreadedEventLoopGroup
    ) async throws -> [LoadClient] {
        try await open((0..<count).map { "\(prefix)-\($0)" }, at: node, on: group)
    }

    /// Opens a session of each of these users.
    static func open(
        _ users: [String], at node: NodeUnderTest, on group: MultiThreadedEventLoopGroup
    ) async throws -> [LoadClient] {
        let count = users.count
        var clients: [LoadClient] = []
        clients.reserveCapacity(count)
        for start in stride(from: 0, to: count, by: openingMax) {
            var welcomes: [EventLoopFuture<Void>] = []
            for index in start..<min(start + openingMax, count) {
                let user = users[index]
                let promise = group.any().makePromise(of: Void.self)
                let client = LoadClient(user: user, token: node.token(user), welcomed: promise)
                ClientBootstrap(group: group)
                    .channelInitializer { $0.pipeline.addHandler(client) }
                    .connect(host: "127.0.0.1", port: node.port)
                    .whenFailure { promise.fail($0) }
                welcomes.append(promise.futureResult)
                clients.append(client)
            }
            for welcome in welcomes { try await welcome.get() }
        }
        return clients
    }
}
