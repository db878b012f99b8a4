import ArgumentParser
import Core
import Foundation
import Gateway
import NIOCore
import NIOPosix
import Wire

/// The listener, upgrade and frame code of Apus with an echo behind it, for WebSocket protocol suites.
@main
struct Echo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-echo",
        abstract: "Echoes WebSocket messages through the listener, upgrade and frame code of Apus.")

    @Argument(help: "Where to listen on 127.0.0.1; 0 for any free port.")
    var port: Int

    @Option(help: "The largest message, in bytes. Fragments are allowed in proportion.")
    var messageBytes = Limits.messageBytesMax

    func validate() throws {
        guard (0...65535).contains(port) else { throw ValidationError("the port must be from 0 to 65535") }
        guard (1...1 << 30).contains(messageBytes) else {
            throw ValidationError("--message-bytes must be from 1 to 1073741824")
        }
    }

    func run() async throws {
        let options = FrameDecoder.Options(
            messageBytesMax: messageBytes, fragmentsMax: max(Limits.fragmentsMax, messageBytes / 32),
            acceptsBinary: true)
        let listener = try await Listener.start(
            host: "127.0.0.1", port: port, group: MultiThreadedEventLoopGroup.singleton, tls: nil
        ) { _ in EchoApplication(options) }
        let bound = listener.localAddress?.port ?? port
        FileHandle.standardOutput.write(Data("apus-echo is up: ws://127.0.0.1:\(bound)/ws (any path)\n".utf8))
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}

/// Sends every message back.
final class EchoApplication: WebSocketApplication {
    let frames: FrameDecoder.Options

    init(_ frames: FrameDecoder.Options) { self.frames = frames }

    func connected(_ connection: Connection<EchoApplication>) {}
    /// Protocol suites ask for `/`, not for `/ws`.
    func isSocket(_ request: RequestHead) -> Bool { true }
    func bodyBytesMax(of request: RequestHead) -> Int { 0 }

    func request(_ connection: Connection<EchoApplication>, _ request: RequestHead, body: [UInt8]) {
        connection.answer(HTTPAnswer(404, body: []))
    }

    func upgrade(_ connection: Connection<EchoApplication>, _ head: RequestHead) {
        do throws(UpgradeRequest.Refusal) {
            let request = try UpgradeRequest(head, origins: [], queryToken: false)
            connection.accept(subprotocol: request.offersApus)
        } catch {
            connection.answer(.error(error.status, "bad_request", error.message, fields: error.fields))
        }
    }

    func received(_ connection: Connection<EchoApplication>, _ output: FrameDecoder.Output) {
        switch output {
        case .text(let payload): connection.write(FrameEncoder.server(.text, payload))
        case .binary(let payload): connection.write(FrameEncoder.server(.binary, payload))
        default: return
        }
        connection.flush()
    }

    func writabilityChanged(_ connection: Connection<EchoApplication>, _ isWritable: Bool) {
        if isWritable { connection.resume(.output) } else { connection.pause(.output) }
    }

    func closed(_ connection: Connection<EchoApplication>) {}
}
