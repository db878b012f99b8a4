import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A TCP proxy on a free port of 127.0.0.1 that plays a bad network: every connection through it does what `mode` says, from
/// the moment that it is set.
public final class NetworkProxy: Sendable {
    public enum Mode: Hashable, Sendable {
        /// As if it were not there.
        case pass
        /// Everything arrives this much later, in order.
        case delay(milliseconds: Int64)
        /// Nothing arrives and nothing is refused: connections are accepted and stay silent. What came meanwhile is
        /// delivered when it passes again, as TCP would.
        case blackHole
        /// Connections are reset, and so are new ones.
        case reset
        /// So many bytes at a time, each way, every 20 ms.
        case trickle(bytes: Int)
        /// The server's side has said that it will send no more; what clients send still arrives.
        case halfClose
    }

    public let port: Int
    private let listener: any Channel
    private let switchboard: Switchboard

    private init(port: Int, listener: any Channel, switchboard: Switchboard) {
        self.port = port
        self.listener = listener
        self.switchboard = switchboard
    }

    /// Listens, and connects each connection to `target` on 127.0.0.1.
    public static func start(to target: Int) async throws -> NetworkProxy {
        let port = try FreePort.next()
        let switchboard = Switchboard(target: target)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { switchboard.accept($0) }
            .bind(host: "127.0.0.1", port: port).get()
        return NetworkProxy(port: port, listener: listener, switchboard: switchboard)
    }

    public func set(_ mode: Mode) { switchboard.set(mode) }

    public func stop() {
        set(.reset)
        listener.close(promise: nil)
    }
}

/// What all connections of a proxy share.
private final class Switchboard: Sendable {
    private let target: Int
    private let state = Mutex((mode: NetworkProxy.Mode.pass, pairs: [ObjectIdentifier: ProxyPair]()))

    init(target: Int) { self.target = target }

    func set(_ mode: NetworkProxy.Mode) {
        let pairs = state.withLock { state in
            state.mode = mode
            return Array(state.pairs.values)
        }
        for pair in pairs { pair.set(mode) }
    }

    func accept(_ client: any Channel) -> EventLoopFuture<Void> {
        let pair = state.withLock { state -> ProxyPair? in
            guard state.mode != .reset else { return nil }
            let pair = ProxyPair(client, state.mode)
            state.pairs[ObjectIdentifier(pair)] = pair
            return pair
        }
        guard let pair else { return client.eventLoop.makeFailedFuture(TestFailure("reset")) }
        client.closeFuture.whenComplete { [self] _ in
            state.withLock { _ = $0.pairs.removeValue(forKey: ObjectIdentifier(pair)) }
        }
        return pair.open(to: target)
    }
}

/// One connection through the proxy: both its ends, on one loop.
private final class ProxyPair: @unchecked Sendable {
    // SAFETY: everything mutable is touched on the loop of `client` only; both channels are on it.

    let client: any Channel
    private var server: (any Channel)?
    private var mode: NetworkProxy.Mode
    private var toServer = Flow()
    private var toClient = Flow()
    private var isTicking = false

    /// Bytes on their way in one direction.
    private struct Flow {
        var waiting = CircularBuffer<(bytes: ByteBuffer, due: NIODeadline)>()
        var isAtEnd = false
        var isEndPassed = false
    }

    init(_ client: any Channel, _ mode: NetworkProxy.Mode) {
        self.client = client
        self.mode = mode
    }

    func open(to target: Int) -> EventLoopFuture<Void> {
        do {
            try client.pipeline.syncOperations.addHandler(End(self, isClient: true))
        } catch { return client.eventLoop.makeFailedFuture(error) }
        ClientBootstrap(group: client.eventLoop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(End(self, isClient: false))
                }
            }
            .connect(host: "127.0.0.1", port: target)
            .whenComplete { [self] result in
                guard case .success(let channel) = result, client.isActive else { return close() }
                server = channel
                pump()
            }
        return client.eventLoop.makeSucceededVoidFuture()
    }

    func set(_ mode: NetworkProxy.Mode) {
        client.eventLoop.execute { [self] in
            self.mode = mode
            switch mode {
            case .reset: reset()
            case .halfClose: client.close(mode: .output, promise: nil)
            default: pump()
            }
        }
    }

    fileprivate func came(_ bytes: ByteBuffer, fromClient: Bool) {
        var due = NIODeadline.now()
        if case .delay(let milliseconds) = mode { due = due + .milliseconds(milliseconds) }
        if fromClient { toServer.waiting.append((bytes, due)) } else { toClient.waiting.append((bytes, due)) }
        pump()
    }

    fileprivate func ended(fromClient: Bool) {
        if fromClient { toServer.isAtEnd = true } else { toClient.isAtEnd = true }
        pump()
    }

    fileprivate func closed() {
        // A black hole swallows the end as well.
        if mode == .blackHole { return }
        close()
    }

    private func close() {
        client.close(promise: nil)
        server?.close(promise: nil)
    }

    /// With no time to linger, closing is a reset.
    private func reset() {
        for channel in [client, server].compactMap(\.self) {
            _ = (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
            channel.close(promise: nil)
        }
    }

    private func pump() {
        guard let server else { return }
        push(&toServer, server)
        push(&toClient, client)
        let isWaiting = !toServer.waiting.isEmpty || !toClient.waiting.isEmpty
        guard isWaiting, !isTicking, mode != .blackHole else { return }
        isTicking = true
        client.eventLoop.scheduleTask(in: .milliseconds(20)) { [self] in
            isTicking = false
            pump()
        }
    }

    private func push(_ flow: inout Flow, _ channel: any Channel) {
        guard mode != .blackHole else { return }
        var allowance = Int.max
        if case .trickle(let bytes) = mode { allowance = isTicking ? 0 : bytes }
        let now = NIODeadline.now()
        while allowance > 0, let next = flow.waiting.first, next.due <= now {
            flow.waiting.removeFirst()
            var bytes = next.bytes
            let part = bytes.readSlice(length: min(allowance, bytes.readableBytes)) ?? bytes
            allowance -= part.readableBytes
            channel.write(part, promise: nil)
            if bytes.readableBytes > 0 { flow.waiting.prepend((bytes, next.due)) }
        }
        channel.flush()
        if flow.waiting.isEmpty, flow.isAtEnd, !flow.isEndPassed {
            flow.isEndPassed = true
            channel.close(mode: .output, promise: nil)
        }
    }
}

/// One end of a pair.
private final class End: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let pair: ProxyPair
    private let isClient: Bool

    init(_ pair: ProxyPair, isClient: Bool) {
        self.pair = pair
        self.isClient = isClient
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        pair.came(unwrapInboundIn(data), fromClient: isClient)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { pair.ended(fromClient: isClient) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        pair.closed()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
