import NIOCore
import NIOPosix
import Synchronization

/// An HTTP server of one page, for key sets: answers every request with what it is told, and closes.
public final class KeySetServer: Sendable {
    public struct Answer: Sendable {
        public var status: String
        public var headers: [String]
        public var body: String
        /// nil sends the whole; otherwise that many bytes and then nothing more.
        public var stallAfterBytes: Int?

        public init(
            status: String = "200 OK", headers: [String] = [], body: String = "", stallAfterBytes: Int? = nil
        ) {
            self.status = status
            self.headers = headers
            self.body = body
            self.stallAfterBytes = stallAfterBytes
        }
    }

    private let state = Mutex((answer: Answer(), requests: [String]()))
    private let channel: Mutex<(any Channel)?> = Mutex(nil)

    public var url: String { "http://127.0.0.1:\(port ?? 0)/keys" }
    /// Every request that came, with its head.
    public var requests: [String] { state.withLock { $0.requests } }
    private var port: Int? { channel.withLock { $0?.localAddress?.port } }

    private init() {}

    public static func start(_ answer: Answer = Answer()) async throws -> KeySetServer {
        let server = KeySetServer()
        server.set(answer)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(server: server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server.channel.withLock { $0 = channel }
        return server
    }

    public func set(_ answer: Answer) { state.withLock { $0.answer = answer } }

    public func stop() async throws { try await channel.withLock { $0 }?.close() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let server: KeySetServer
        private var request = ""

        init(server: KeySetServer) { self.server = server }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            request += String(buffer: unwrapInboundIn(data))
            guard request.contains("\r\n\r\n") else { return }
            let answer = server.state.withLock { state in
                state.requests.append(request)
                return state.answer
            }
            request = ""
            let head =
                ["HTTP/1.1 \(answer.status)", "Content-Length: \(answer.body.utf8.count)", "Connection: close"]
                + answer.headers
            let whole = Array((head.joined(separator: "\r\n") + "\r\n\r\n" + answer.body).utf8)
            let sent = context.writeAndFlush(
                wrapOutboundOut(ByteBuffer(bytes: whole.prefix(answer.stallAfterBytes ?? whole.count))))
            if answer.stallAfterBytes == nil { sent.assumeIsolated().whenComplete { _ in context.close(promise: nil) } }
        }
    }
}
