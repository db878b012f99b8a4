import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

/// The measure of what SwiftNIO gives without effort: its own HTTP and WebSocket handlers, one write and flush for each
/// message and session. `GET /sub/<channel>` is a WebSocket, `POST /pub/<channel>` publishes its body to all of them.
@main
enum PlainServer {
    static func main() async throws {
        guard CommandLine.arguments.count == 2, let port = Int(CommandLine.arguments[1]) else {
            preconditionFailure("usage: apus-plain-nio PORT")
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let channels = Channels()
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in configure(channel, channels) }
        let channel = try await bootstrap.bind(host: "127.0.0.1", port: port).get()
        try await channel.closeFuture.get()
    }

    private static func configure(_ channel: any Channel, _ channels: Channels) -> EventLoopFuture<Void> {
        let upgrader = NIOWebSocketServerUpgrader(
            shouldUpgrade: { channel, head in
                channel.eventLoop.makeSucceededFuture(head.uri.hasPrefix("/sub/") ? HTTPHeaders() : nil)
            },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        SessionHandler(String(head.uri.dropFirst("/sub/".count)), channels))
                }
            })
        return channel.eventLoop.makeCompletedFuture {
            let publishing = PublishHandler(channels)
            let bound = NIOLoopBound(publishing, eventLoop: channel.eventLoop)
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(
                withServerUpgrade: (
                    upgraders: [upgrader],
                    completionHandler: { $0.pipeline.syncOperations.removeHandler(bound.value, promise: nil) }
                ))
            try channel.pipeline.syncOperations.addHandler(publishing)
        }
    }
}

/// Who listens to what.
final class Channels: @unchecked Sendable {
    // SAFETY: the server has one event loop, and only handlers of it come here.
    private var listeners: [String: [ObjectIdentifier: any Channel]] = [:]

    func add(_ listener: any Channel, to name: String) {
        listeners[name, default: [:]][ObjectIdentifier(listener)] = listener
    }
    func remove(_ listener: any Channel, from name: String) { listeners[name]?[ObjectIdentifier(listener)] = nil }

    func publish(_ text: ByteBuffer, to name: String) {
        let frame = WebSocketFrame(fin: true, opcode: .text, data: text)
        for listener in (listeners[name] ?? [:]).values { listener.writeAndFlush(frame, promise: nil) }
    }
}

/// One that listens.
final class SessionHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private let name: String
    private let channels: Channels

    init(_ name: String, _ channels: Channels) {
        self.name = name
        self.channels = channels
    }

    func handlerAdded(context: ChannelHandlerContext) { channels.add(context.channel, to: name) }
    func channelInactive(context: ChannelHandlerContext) { channels.remove(context.channel, from: name) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .ping:
            context.writeAndFlush(
                wrapOutboundOut(WebSocketFrame(fin: true, opcode: .pong, data: frame.unmaskedData)), promise: nil)
        case .connectionClose: context.close(promise: nil)
        default: break
        }
    }
}

/// Publishes what is posted.
final class PublishHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let channels: Channels
    private var name = ""
    private var body = ByteBuffer()

    init(_ channels: Channels) { self.channels = channels }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            name = String(head.uri.dropFirst("/pub/".count))
            body.clear()
        case .body(var part): body.writeBuffer(&part)
        case .end:
            channels.publish(body, to: name)
            let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: ["Content-Length": "0"])
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
