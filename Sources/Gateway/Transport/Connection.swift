import Core
import Crypto
import FoundationEssentials
import NIOCore
import Wire

/// One TCP connection of the public listener: first HTTP, then WebSocket, in one handler from beginning to end, so that
/// an idle session costs one handler and no buffer.
///
/// It owns the bytes: reading, framing, closing. What a message means is the application's.
public final class Connection<Application: WebSocketApplication>: ChannelDuplexHandler {
    public typealias InboundIn = ByteBuffer
    public typealias OutboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    private enum State: UInt8 {
        /// The head of the request is arriving.
        case handshake
        /// The application decides on the upgrade.
        case deciding
        /// Frames in both directions.
        case open
        /// A close frame was sent; the peer's is waited for.
        case closing
        /// The last byte was sent; what still comes is thrown away until the peer closes.
        case discarding
        case closed
    }

    /// Where the application keeps what belongs to this connection; its own business.
    public var slot: Int32 = -1
    /// What was written and not flushed. The channel counts it only without TLS, whose handler keeps it to itself.
    private var unflushedBytes: UInt32 = 0

    private let application: Application
    private var context: ChannelHandlerContext?
    private var decoder = FrameDecoder()
    /// Bytes that arrived and are not decoded yet: the request head, or what came while reading was paused.
    private var backlog: ByteBuffer?
    private var state = State.handshake
    private var paused = PauseReasons()
    private var isReadPending = false
    private var isDecoding = false
    private var flushesAtReadComplete = false
    private var isHeadRequest = false
    private var key: String?

    public init(_ application: Application) { self.application = application }

    private var isPaused: Bool { !paused.isEmpty }

    /// Whether less than `Limits.outputBytesMax` wait to be sent, flushed or not.
    public var isWritable: Bool {
        unflushedBytes <= UInt32(Limits.outputBytesMax) && context?.channel.isWritable ?? false
    }
    public var isOpen: Bool { state == .open }
    public var eventLoop: (any EventLoop)? { context?.eventLoop }
    /// The peer's address without port; nil when the connection is gone.
    public var peerAddress: String? { context?.remoteAddress?.ipAddress }

    // MARK: What the application may do

    /// Answers the upgrade with 101; frames follow.
    public func accept(subprotocol: Bool) {
        guard state == .deciding, let context, let key else { return }
        var head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        head += "Sec-WebSocket-Accept: \(Self.acceptValue(key))\r\n"
        if subprotocol { head += "Sec-WebSocket-Protocol: apus.v1\r\n" }
        state = .open
        self.key = nil
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: head + "\r\n")), promise: nil)
        resume(.upgrade)
    }

    /// Answers a request that becomes no WebSocket, and closes.
    public func answer(_ answer: HTTPAnswer) {
        guard state == .deciding || state == .handshake else { return }
        sendLast(answer.serialized(withBody: !isHeadRequest))
    }

    /// Writes a whole frame, which `flush` sends.
    public func write(_ frame: ByteBuffer) {
        guard state == .open, let context else { return }
        unflushedBytes &+= UInt32(truncatingIfNeeded: frame.readableBytes)
        context.write(wrapOutboundOut(frame), promise: nil)
    }

    /// Sends what was written: at once, or when all frames that were read are decoded.
    public func flush() {
        if isDecoding {
            flushesAtReadComplete = true
        } else if unflushedBytes > 0, let context {
            flushNow(context)
        }
    }

    /// Sends a close frame and closes the socket when the peer has answered it, or after
    /// `Limits.closeTimeoutSeconds`, which the application watches and ends by `abort`.
    public func close(_ code: CloseCode, reason: String? = nil) {
        close(code.rawValue, reason ?? code.reason)
    }

    public func close(_ code: UInt16, _ reason: String) {
        guard state == .open, let context else { return abort() }
        state = .closing
        let rest = backlog
        backlog = nil
        context.writeAndFlush(wrapOutboundOut(FrameEncoder.close(code, reason: reason)), promise: nil)
        // The peer's close frame must be seen, so reading goes on; it may be among what waited.
        paused = []
        if let rest { drainUntilClose(rest) }
        releaseRead()
    }

    /// Closes the socket at once.
    public func abort() {
        guard state != .closed else { return }
        state = .closed
        context?.close(promise: nil)
    }

    /// Stops taking frames; bytes stay in the socket until every reason is gone.
    public func pause(_ reason: PauseReasons) { paused.insert(reason) }

    public func resume(_ reason: PauseReasons) {
        guard paused.remove(reason) != nil, !isPaused else { return }
        guard let context, let rest = backlog else { return releaseRead() }
        backlog = nil
        decode(rest, context)
        if flushesAtReadComplete { flushNow(context) }
        releaseRead()
    }

    private func releaseRead() {
        guard !isPaused, isReadPending, let context else { return }
        isReadPending = false
        context.read()
    }

    // MARK: Channel

    public func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { application.connected(self) }
    }

    public func channelActive(context: ChannelHandlerContext) {
        application.connected(self)
        context.fireChannelActive()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        state = .closed
        backlog = nil
        application.closed(self)
        self.context = nil
        context.fireChannelInactive()
    }

    public func read(context: ChannelHandlerContext) {
        if isPaused { isReadPending = true } else { context.read() }
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        switch state {
        case .handshake: handshake(bytes, context)
        case .deciding: if !paused.isEmpty { backlog.setOrWrite(bytes) }
        case .open:
            if isPaused { backlog.setOrWrite(bytes) } else { decode(bytes, context) }
        case .closing: drainUntilClose(bytes)
        case .discarding, .closed: break
        }
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        if flushesAtReadComplete { flushNow(context) }
        context.fireChannelReadComplete()
    }

    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        if state == .open { application.writabilityChanged(self, context.channel.isWritable) }
        context.fireChannelWritabilityChanged()
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Half-closure is off: an end of input is an end of the connection.
        context.fireUserInboundEventTriggered(event)
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Resets and TLS failures are the weather of the internet: the session is over, nothing to log.
        abort()
    }

    private func flushNow(_ context: ChannelHandlerContext) {
        flushesAtReadComplete = false
        unflushedBytes = 0
        context.flush()
    }

    // MARK: HTTP

    private func handshake(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        backlog.setOrWrite(bytes)
        guard var buffer = backlog else { return }
        guard let length = Self.headLength(buffer) else {
            if buffer.readableBytes >= Limits.headersBytesMax {
                refuseHead(431, "headers over \(Limits.headersBytesMax) bytes")
            }
            return
        }
        guard length <= Limits.headersBytesMax else {
            return refuseHead(431, "headers over \(Limits.headersBytesMax) bytes")
        }
        let head = buffer.readBytes(length: length) ?? []
        do throws(RequestHead.Refusal) {
            try dispatch(RequestHead(head), rest: buffer)
        } catch {
            refuseHead(error.status, error.message)
        }
    }

    /// The head is whole; `rest` is what came behind it.
    private func dispatch(_ request: RequestHead, rest: ByteBuffer) throws(RequestHead.Refusal) {
        guard !application.isSocket(request) else {
            backlog = rest.readableBytes > 0 ? ByteBuffer(bytes: rest.readableBytesView) : nil
            key = request.values("sec-websocket-key").first
            state = .deciding
            paused = .upgrade
            return application.upgrade(self, request)
        }
        isHeadRequest = request.method == "HEAD"
        let length = try request.bodyLength(max: application.bodyBytesMax(of: request))
        // The head stays in the backlog until its body is there; it is small and read again then.
        guard rest.readableBytes >= length else { return }
        backlog = nil
        state = .deciding
        application.request(self, request, body: Array(rest.readableBytesView.prefix(length)))
    }

    private func refuseHead(_ status: Int, _ message: String) {
        sendLast(HTTPAnswer.error(status, "bad_request", message).serialized(withBody: !isHeadRequest))
    }

    /// Sends the last bytes and closes the sending half only: closing the whole socket with input unread would reset
    /// the connection, and the peer might never see what was sent.
    private func sendLast(_ bytes: ByteBuffer) {
        guard let context else { return }
        beginDiscarding(context)
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
        context.close(mode: .output, promise: nil)
        releaseRead()
    }

    /// Nothing is taken any more. A peer that neither closes nor takes the last bytes is dropped in the end.
    private func beginDiscarding(_ context: ChannelHandlerContext) {
        state = .discarding
        backlog = nil
        paused = []
        context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(Int64(Limits.closeTimeoutSeconds))) {
            [weak self] in
            self?.abort()
        }
    }

    /// The length of the head with its empty line; nil when it has not arrived whole.
    private static func headLength(_ buffer: ByteBuffer) -> Int? {
        let view = buffer.readableBytesView
        guard view.count >= 4 else { return nil }
        return view.withUnsafeBytes { bytes -> Int? in
            // SAFETY: only indices below `bytes.count` are read.
            for at in 3..<bytes.count
            where bytes[at] == 0x0A && bytes[at - 1] == 0x0D && bytes[at - 2] == 0x0A && bytes[at - 3] == 0x0D {
                return at + 1
            }
            return nil
        }
    }

    /// RFC 6455 §4.2.2, step 5.4.
    private static func acceptValue(_ key: String) -> String {
        let joined = Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)
        return Data(Insecure.SHA1.hash(data: joined)).base64EncodedString()
    }

    // MARK: Frames

    private func decode(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        var bytes = bytes
        isDecoding = true
        defer { isDecoding = false }
        while state == .open, !isPaused, let output = decoder.next(&bytes, application.frames) {
            switch output {
            case .failure(let code, let why):
                sendLast(FrameEncoder.close(code.rawValue, reason: why))
                // The session is over now, not when the peer deigns to close.
                application.received(self, output)
            case .close(let code, _):
                answerClose(code, context)
                // A peer that does not take the answer is gone all the same.
                application.received(self, output)
            case .ping(let payload):
                write(FrameEncoder.server(.pong, payload))
                flushesAtReadComplete = true
                application.received(self, output)
            default: application.received(self, output)
            }
        }
        guard bytes.readableBytes > 0 else { return }
        if state == .open { backlog = ByteBuffer(bytes: bytes.readableBytesView) }
        if state == .closing { drainUntilClose(bytes) }
    }

    /// The server is the first to close its socket (RFC 6455 §7.1.1), as soon as the answer and what stands before it
    /// have left: closing at once would throw away what a slow peer has not taken yet.
    private func answerClose(_ code: UInt16?, _ context: ChannelHandlerContext) {
        beginDiscarding(context)
        let sent = context.eventLoop.makePromise(of: Void.self)
        sent.futureResult.assumeIsolated().whenComplete { [weak self] _ in self?.abort() }
        context.writeAndFlush(wrapOutboundOut(FrameEncoder.closeEcho(code)), promise: sent)
        releaseRead()
    }

    /// After our close frame only the peer's is waited for (RFC 6455 §7.1.1).
    private func drainUntilClose(_ bytes: ByteBuffer) {
        var bytes = bytes
        while let output = decoder.next(&bytes, application.frames) {
            switch output {
            case .close, .failure: return abort()
            default: continue
            }
        }
    }
}

/// Why a connection is not read at the moment.
public struct PauseReasons: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The application decides on the upgrade.
    public static let upgrade = PauseReasons(rawValue: 1)
    /// `hello` is under way: what follows it must come after it.
    public static let hello = PauseReasons(rawValue: 2)
    /// Too many operations wait for the store.
    public static let operations = PauseReasons(rawValue: 4)
    /// The peer does not take what it was answered.
    public static let output = PauseReasons(rawValue: 8)
    /// The session is about to be closed: only what was asked before is answered.
    public static let draining = PauseReasons(rawValue: 16)
    /// An answer that may fill the output by itself is on its way.
    public static let largeAnswer = PauseReasons(rawValue: 32)
}

extension Optional where Wrapped == ByteBuffer {
    /// Appends a copy of `bytes`: the receive buffer itself must not be held.
    fileprivate mutating func setOrWrite(_ bytes: ByteBuffer) {
        var bytes = bytes
        if self == nil { self = ByteBuffer(bytes: bytes.readableBytesView) } else { self?.writeBuffer(&bytes) }
    }
}
