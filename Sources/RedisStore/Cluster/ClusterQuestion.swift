import Core
import NIOCore

/// Asks one server for the map, over a connection of its own: those with commands may be full of them.
final class ClusterQuestion: @unchecked Sendable {
    // SAFETY: made on the connection's event loop, and every `var` is read and written there only.

    typealias Answer = Result<SlotMap, RedisStartError>

    private var connection: RedisConnection?
    private var done: ((Answer) -> Void)?

    /// - Parameter done: Called once on the loop, unless `cancel` comes first.
    init(
        _ server: RedisAddress, connect: ClusterLoop.Connect, on loop: any EventLoop, clock: any TimeSource,
        _ done: @escaping (Answer) -> Void
    ) {
        self.done = done
        connection = connect(server, loop) { change in
            switch change {
            case .ready: self.ask(server, now: clock.monotonicNanoseconds())
            case .lost(let why): self.finish(.failure(.unreachable(why)))
            case .failed(let error): self.finish(.failure(error))
            }
        }
        connection?.start()
    }

    private func ask(_ server: RedisAddress, now: UInt64) {
        let deadline = now + UInt64(Limits.redisMapQuestionMilliseconds) * 1_000_000
        let bytes = RedisArguments("CLUSTER", "SLOTS").encoded()
        let call = RedisCall(bytes: bytes, startedAt: now, deadline: deadline, takesErrors: true) { result in
            switch result {
            case .success(let reply): self.finish(Self.map(reply, server))
            case .failure(let error): self.finish(.failure(.unreachable(error.message)))
            }
        }
        connection?.send([call])
    }

    private static func map(_ reply: RedisReply, _ server: RedisAddress) -> Answer {
        do {
            let map = try SlotMap(reply, from: server)
            // A server that was taken out of its Cluster, or has not yet been put into one.
            return map.parts.isEmpty ? .failure(Self.alone) : .success(map)
        } catch {
            return .failure(error)
        }
    }

    private static let alone = RedisStartError(
        .unsuitable, "the server knows of no slot that has a master",
        fix: "make the Cluster with redis-cli --cluster create, or name servers that are in it")

    private func finish(_ answer: Answer) {
        let done = done
        cancel()
        done?(answer)
    }

    func cancel() {
        done = nil
        _ = connection?.close()
        connection = nil
    }
}
