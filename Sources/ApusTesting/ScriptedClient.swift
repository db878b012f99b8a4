import Core
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Wire

/// A WebSocket client that does what a test tells it and nothing else: no ping answered unless asked, no reconnect.
public final class ScriptedClient: Sendable {
    /// What came from the server.
    public enum Incoming: Sendable {
        case text(String)
        case binary([UInt8])
        case ping([UInt8])
        case pong([UInt8])
        /// A close frame; nil without a code.
        case close(UInt16?, String)
        /// The socket ended.
        case end
    }

    private let channel: any Channel
    private let inbox: Inbox
    /// The head of the server's answer to the upgrade.
    public let answer: String

    private init(channel: any Channel, inbox: Inbox, answer: String) {
        self.channel = channel
        self.inbox = inbox
        self.answer = answer
    }

    /// Opens a raw connection; nothing is sent.
    ///
    /// - Parameter receiveBufferBytes: A small buffer of the kernel, so that a slow reader is noticed soon; nil: the usual.
    public static func raw(
        port: Int, tls: NIOSSLContext? = nil, receiveBufferBytes: Int? = nil
    ) async throws -> ScriptedClient {
        let inbox = Inbox()
        var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
        if let receiveBufferBytes {
            bootstrap = bootstrap.channelOption(.socketOption(.so_rcvbuf), value: .init(receiveBufferBytes))
        }
        let channel =
            try await bootstrap
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: "localhost"))
                    }
                    try channel.pipeline.syncOperations.addHandler(Collector(inbox))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return ScriptedClient(channel: channel, inbox: inbox, answer: "")
    }

    /// Upgrades to a WebSocket. - Throws: `TestFailure` with the server's answer when that is not 101.
    public static func connect(
        port: Int, path: String = "/ws", headers: [String] = [], tls: NIOSSLContext? = nil,
        receiveBufferBytes: Int? = nil, within seconds: Double = 10
    ) async throws -> ScriptedClient {
        let client = try await raw(port: port, tls: tls, receiveBufferBytes: receiveBufferBytes)
        do {
            let head = try await client.upgrade(path: path, headers: headers, within: seconds)
            guard head.hasPrefix("HTTP/1.1 101 ") else { throw TestFailure(head) }
            return ScriptedClient(channel: client.channel, inbox: client.inbox, answer: head)
        } catch {
            client.drop()
            throw error
        }
    }

    /// Sends an upgrade request and gives the head of the answer.
    public func upgrade(
        path: String = "/ws", headers: [String] = [], within seconds: Double = 10
    ) async throws -> String {
        var request = "GET \(path) HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        request += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        for header in headers { request += header + "\r\n" }
        try await send(raw: Array((request + "\r\n").utf8))
        return try await inbox.head(within: seconds)
    }

    /// The head of an HTTP answer, once it is there.
    public func head() async throws -> String { try await inbox.head(within: 10) }

    /// A whole HTTP answer: it ends with the connection.
    public func httpAnswer(within seconds: Double = 15) async throws -> (status: Int, body: String) {
        let text = try await inbox.whole(within: seconds)
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        guard let status = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw TestFailure("no HTTP answer: \(text.prefix(200))")
        }
        return (status, parts.count == 2 ? String(parts[1]) : "")
    }

    // MARK: Sending

    public func send(_ text: String) async throws { try await write(FrameEncoder.client(.text, Array(text.utf8))) }
    public func send(raw bytes: [UInt8]) async throws { try await write(ByteBuffer(bytes: bytes)) }
    public func send(_ opcode: FrameEncoder.Opcode, _ payload: [UInt8]) async throws {
        try await write(FrameEncoder.client(opcode, payload))
    }

    private func write(_ bytes: ByteBuffer) async throws { try await channel.writeAndFlush(bytes) }

    /// Sends without waiting until the socket has taken it. What one caller at a time posts leaves in that order.
    public func post(_ text: String) { post(FrameEncoder.client(.text, Array(text.utf8))) }
    public func post(raw bytes: [UInt8]) { post(ByteBuffer(bytes: bytes)) }
    private func post(_ bytes: ByteBuffer) { channel.writeAndFlush(bytes, promise: nil) }

    /// Stops or goes on reading the socket, to play a slow reader.
    public func setReading(_ isOn: Bool) async throws { try await channel.setOption(.autoRead, value: isOn).get() }

    /// Closes the socket without a close frame.
    public func drop() { channel.close(promise: nil) }

    // MARK: Receiving

    /// From now on everything that comes is given to `receiver`, on the connection's event loop; first what has come
    /// already. `next` and what builds on it hear nothing any more.
    public func receive(_ receiver: @escaping @Sendable (Incoming) -> Void) async throws {
        try await channel.eventLoop.submit { self.inbox.receive(receiver) }.get()
    }

    /// The next thing from the server. - Throws: `TestFailure` when nothing comes in time.
    public func next(within seconds: Double = 10) async throws -> Incoming { try await inbox.next(within: seconds) }

    /// The next text frame; pings and pongs are passed over.
    public func text(within seconds: Double = 10) async throws -> String {
        while true {
            switch try await next(within: seconds) {
            case .text(let text): return text
            case .ping, .pong: continue
            case let other: throw TestFailure("a text frame was expected, not \(other)")
            }
        }
    }

    /// The next text frame as JSON.
    public func frame(within seconds: Double = 10) async throws -> JSONObject {
        try JSONObject(Array(try await text(within: seconds).utf8))
    }

    /// The close code; text, pings and pongs before it are passed over. nil when the socket ended without one.
    public func closeCode(within seconds: Double = 15) async throws -> UInt16? {
        while true {
            switch try await next(within: seconds) {
            case .close(let code, _): return code
            case .end: return nil
            default: continue
            }
        }
    }

    /// Passes over frames until one has this event name.
    public func event(_ name: String, within seconds: Double = 10) async throws -> JSONObject {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline {
            let frame = try await frame(within: seconds)
            if frame["ev"]?.string == name { return frame }
        }
        throw TestFailure("no event \(name) within \(seconds) s")
    }

    /// Sends a request and gives the reply with its id; events in between are lost to the test.
    public func request(_ json: String, id: Int, within seconds: Double = 10) async throws -> JSONObject {
        try await send(json)
        while true {
            let frame = try await frame(within: seconds)
            if frame["re"]?.integer == Int64(id) { return frame }
        }
    }

    /// Says hello and gives `welcome`.
    public func hello(token: String, resume: String? = nil, device: String? = nil) async throws -> JSONObject {
        var request = "{\"id\":1,\"op\":\"hello\",\"token\":\"\(token)\""
        if let resume { request += ",\"resume\":\(resume)" }
        if let device { request += ",\"device\":\"\(device)\"" }
        return try await self.request(request + "}", id: 1)
    }
}

/// What has arrived and nobody has taken yet. One reader at a time.
private final class Inbox: Sendable {
    private struct State {
        var head = ""
        var hasHead = false
        var waiting: [ScriptedClient.Incoming] = []
        var receiver: (@Sendable (ScriptedClient.Incoming) -> Void)?
    }

    private let state = Mutex(State())

    func add(_ incoming: ScriptedClient.Incoming) {
        let receiver = state.withLock { state in
            if state.receiver == nil { state.waiting.append(incoming) }
            return state.receiver
        }
        receiver?(incoming)
    }

    /// On the event loop, as `add`: nothing overtakes what has come already.
    func receive(_ receiver: @escaping @Sendable (ScriptedClient.Incoming) -> Void) {
        let waiting = state.withLock { state in
            state.receiver = receiver
            defer { state.waiting = [] }
            return state.waiting
        }
        for incoming in waiting { receiver(incoming) }
    }

    func set(head: String) {
        state.withLock {
            $0.head = head
            $0.hasHead = true
        }
    }

    func next(within seconds: Double) async throws -> ScriptedClient.Incoming {
        try await poll(within: seconds, "nothing came from the server") { state in
            if state.waiting.isEmpty { return nil }
            return state.waiting.removeFirst()
        }
    }

    /// Everything, once the connection has ended.
    func whole(within seconds: Double) async throws -> String {
        try await poll(within: seconds, "the answer did not end") { state in
            if case .end? = state.waiting.last { return state.head }
            return nil
        }
    }

    func head(within seconds: Double) async throws -> String {
        try await poll(within: seconds, "no answer to the upgrade") { $0.hasHead ? $0.head : nil }
    }

    private func poll<Value: Sendable>(
        within seconds: Double, _ what: String, _ take: (inout sending State) -> sending Value?
    ) async throws -> Value {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var pause = 1
        while true {
            if let value = state.withLock({ take(&$0) }) { return value }
            guard ContinuousClock.now < deadline else { throw TestFailure("\(what) within \(seconds) s") }
            try await Task.sleep(for: .milliseconds(pause))
            // Hundreds of clients may wait at the same time.
            pause = min(pause + 1, 20)
        }
    }
}

/// Splits what arrives into the HTTP head and frames.
private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let inbox: Inbox
    private var head = ByteBuffer()
    private var isUpgraded = false
    private var decoder = FrameDecoder()
    private let options = FrameDecoder.Options(
        messageBytesMax: 1 << 26, fragmentsMax: 1 << 20, acceptsBinary: true, fromClient: false)

    init(_ inbox: Inbox) { self.inbox = inbox }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        guard isUpgraded else {
            head.writeBuffer(&bytes)
            return takeHead()
        }
        decode(bytes)
    }

    private func takeHead() {
        let text = String(buffer: head)
        guard let end = text.range(of: "\r\n\r\n") else { return }
        isUpgraded = text.hasPrefix("HTTP/1.1 101 ")
        let length = text[..<end.upperBound].utf8.count
        // An error's body belongs to the answer; it may arrive after its head.
        inbox.set(head: isUpgraded ? String(text[..<end.upperBound]) : text)
        guard isUpgraded else { return }
        head.moveReaderIndex(forwardBy: length)
        decode(head)
        head = ByteBuffer()
    }

    private func decode(_ bytes: ByteBuffer) {
        var bytes = bytes
        while let output = decoder.next(&bytes, options) {
            switch output {
            case .text(let payload): inbox.add(.text(String(decoding: payload, as: UTF8.self)))
            case .binary(let payload): inbox.add(.binary(payload))
            case .ping(let payload): inbox.add(.ping(payload))
            case .pong(let payload): inbox.add(.pong(payload))
            case .close(let code, let reason): inbox.add(.close(code, String(decoding: reason, as: UTF8.self)))
            case .failure(let code, let why): inbox.add(.close(code.rawValue, "bad frame from the server: \(why)"))
            }
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        inbox.add(.end)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
