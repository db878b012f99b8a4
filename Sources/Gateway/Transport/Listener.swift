import Core
import Logging
import NIOCore
import NIOPosix
import NIOSSL

/// The public listener: accepts sockets and gives each one handler.
public struct Listener: Sendable {
    private let channel: any Channel

    public var localAddress: SocketAddress? { channel.localAddress }

    /// Binds and begins to accept.
    ///
    /// - Parameters:
    ///   - tls: The present TLS context; asked for every connection, so that a renewed certificate counts at once.
    ///   - application: Gives the application of a loop; called on that loop.
    public static func start<Application: WebSocketApplication>(
        host: String, port: Int, group: any EventLoopGroup, tls: (@Sendable () -> NIOSSLContext)?,
        application: @escaping @Sendable (any EventLoop) -> Application
    ) async throws -> Listener {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.recvAllocator, value: UnpooledReceiveAllocator())
            .childChannelOption(
                .writeBufferWaterMark, value: .init(low: Limits.outputBytesMax / 2, high: Limits.outputBytesMax)
            )
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls())) }
                    try pipeline.addHandler(Connection(application(channel.eventLoop)))
                }
            }
        return Listener(channel: try await bootstrap.bind(host: host, port: port).get())
    }

    /// Stops accepting. Connections that are there stay.
    public func stop() async { try? await channel.close().get() }
}
