import NIOCore

/// Bytes of one channel to replies of its connection.
final class RedisChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let reader = RedisReader()
    private let connection: RedisConnection
    private let attempt: Int

    /// - Parameter attempt: By which the connection knows the attempt that this channel came of.
    init(_ connection: RedisConnection, attempt: Int) { (self.connection, self.attempt) = (connection, attempt) }

    func channelActive(context: ChannelHandlerContext) {
        connection.channelIsActive(context.channel, attempt: attempt)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.heard(on: context.channel)
        do {
            try reader.feed(unwrapInboundIn(data))
            while let reply = try reader.next() {
                // An answer's receiver may have closed the connection: what follows belongs to nobody.
                guard connection.received(reply, on: context.channel) else { return }
            }
        } catch {
            connection.channelFailed(context.channel, .unreachable(error.description))
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        connection.readCompleted()
        context.fireChannelReadComplete()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        connection.channelFailed(context.channel, RedisTLS.startError(error) ?? .unreachable("\(error)"))
    }

    func channelInactive(context: ChannelHandlerContext) {
        connection.channelFailed(context.channel, .unreachable("the server closed the connection"))
    }
}
