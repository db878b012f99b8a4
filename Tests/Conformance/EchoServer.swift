import ApusTesting
import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

/// The `apus-echo` that this build made, as a process of its own: the listener, upgrade and frame code of the gateway.
struct EchoServer: Sendable {
    let process: ServerProcess
    let port: Int

    /// The largest message that it takes.
    static let messageBytes = 16 << 20

    /// What `.echoServer` has started for the suite.
    @TaskLocal static var current: EchoServer?

    static func start() async throws -> EchoServer {
        let process = ServerProcess(
            "apus-echo", executable: try ApusProcess.executable("apus-echo"),
            arguments: ["0", "--message-bytes", "\(messageBytes)"], folder: try TestFolder.make("echo"))
        do {
            try process.start()
            var port: Int?
            try await eventually("apus-echo says where it listens", within: 60) {
                port = process.output.firstMatch(of: /127\.0\.0\.1:(\d+)\//).flatMap { Int($0.1) }
                return port != nil
            }
            return EchoServer(process: process, port: try #require(port))
        } catch {
            process.stop()
            throw error
        }
    }
}

/// Starts one echo server for a suite and all suites inside it.
struct EchoServerTrait: SuiteTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        let server = try await EchoServer.start()
        defer { server.process.stop() }
        try await EchoServer.$current.withValue(server) { try await function() }
    }
}

extension Trait where Self == EchoServerTrait {
    static var echoServer: EchoServerTrait { EchoServerTrait() }
}

/// One connection, from the first byte to the last.
enum Conversation {
    static let request =
        "GET /echo HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

    /// Upgrades, sends `bytes`, and listens until the server ends the connection.
    /// - Parameter chop: The bytes of each write; nil for all in one.
    static func hear(_ bytes: [UInt8], chop: Int? = nil) async throws -> [Heard] {
        let peer = try await Peer.connect()
        defer { peer.drop() }
        try await peer.send(Array(request.utf8))
        let head = try await peer.head()
        guard head.hasPrefix("HTTP/1.1 101 ") else { throw TestFailure(head) }
        try await peer.send(bytes, chop: chop)
        return Heard.parse(try await peer.rest())
    }

    static func hear(_ frames: [Frame], chop: Int? = nil) async throws -> [Heard] {
        try await hear(frames.flatMap(\.bytes), chop: chop)
    }
}

/// A socket that says what it is told and keeps what it hears.
struct Peer: Sendable {
    private let channel: any Channel
    private let ear: Ear

    /// The server must have ended the connection by then; a deadline, no measure.
    private static let deadline = TimeAmount.seconds(60)

    static func connect() async throws -> Peer {
        let port = try #require(EchoServer.current?.port)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let ear = Ear(loop.makePromise())
        do {
            let channel = try await ClientBootstrap(group: loop)
                .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                .channelInitializer { $0.pipeline.addHandler(ear) }
                .connect(host: "127.0.0.1", port: port).get()
            let timeout = loop.scheduleTask(in: deadline) {
                ear.state.withLock { $0.isLate = true }
                channel.close(promise: nil)
            }
            channel.closeFuture.whenComplete { _ in timeout.cancel() }
            return Peer(channel: channel, ear: ear)
        } catch {
            ear.headArrived.fail(error)
            throw error
        }
    }

    /// Sends bytes, in pieces that leave one after another. A server that has failed the connection may have closed it
    /// before all have left; what it said counts.
    func send(_ bytes: [UInt8], chop: Int? = nil) async throws {
        for start in stride(from: 0, to: bytes.count, by: chop ?? max(bytes.count, 1)) {
            let piece = ByteBuffer(bytes: bytes[start..<min(start + (chop ?? bytes.count), bytes.count)])
            do { try await channel.writeAndFlush(piece) } catch { return }
        }
    }

    /// The head of the answer to the upgrade.
    func head() async throws -> String {
        try await ear.headArrived.futureResult.get()
        return ear.state.withLock { String(decoding: $0.bytes[..<($0.body ?? 0)], as: UTF8.self) }
    }

    /// What followed the head, once the server has ended the connection.
    func rest() async throws -> [UInt8] {
        try await channel.closeFuture.get()
        return try ear.state.withLock { state in
            guard !state.isLate else { throw TestFailure("the server did not end the connection") }
            return Array(state.bytes[(state.body ?? 0)...])
        }
    }

    /// Closes the socket without a word.
    func drop() { channel.close(promise: nil) }
}

/// Keeps what arrives.
private final class Ear: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    struct State {
        var bytes: [UInt8] = []
        /// Where the body begins: behind the head of the answer.
        var body: Int?
        var searched = 0
        var isLate = false

        /// - Returns: whether the head is there whole.
        mutating func take(_ part: ByteBufferView) -> Bool {
            bytes += part
            while body == nil, searched + 4 <= bytes.count {
                if bytes[searched..<searched + 4].elementsEqual([13, 10, 13, 10]) { body = searched + 4 }
                searched += 1
            }
            return body != nil
        }
    }

    let state = Mutex(State())
    let headArrived: EventLoopPromise<Void>

    init(_ headArrived: EventLoopPromise<Void>) { self.headArrived = headArrived }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data).readableBytesView
        if state.withLock({ $0.take(part) }) { headArrived.succeed() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        headArrived.fail(TestFailure("the connection ended before the head of an answer"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
