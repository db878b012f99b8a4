import Core
import Gateway
import NIOCore
import Wire

/// From a batch of the hub to every session that it is for. One operation is one message for one session.
extension HotPath {
    /// - Parameter node: Its sessions all get what is delivered.
    public static func delivery(on node: BenchNode) -> [HotPath] {
        [
            HotPath("deliver.topic", "an event of a topic: hub to the session's output") {
                try await topic(node, messages: $0, atOnce: 1, withWriting: false)
            },
            HotPath("deliver.topic.socket", "the same, and written to the socket") {
                try await topic(node, messages: $0, atOnce: 1, withWriting: true)
            },
            HotPath("deliver.burst.socket", "ten events of a topic that wait together, and written") {
                try await topic(node, messages: $0, atOnce: 10, withWriting: true)
            },
            HotPath("deliver.event", "a durable event of one user: hub to the session's output") {
                try await events(node, messages: $0, withWriting: false)
            },
            HotPath("deliver.event.socket", "the same, and written to the socket") {
                try await events(node, messages: $0, withWriting: true)
            },
        ]
    }

    private static func topic(
        _ node: BenchNode, messages: Int, atOnce: Int, withWriting: Bool
    ) async throws -> Cost {
        let frame = ServerFrames.topic(node.topic, data: Samples.payload[...])
        let batch = [Delivery](repeating: .liveTopic(node.topic, frame: frame), count: atOnce)
        let perRound = node.users.count * atOnce
        var cost = Cost.none
        repeat {
            cost =
                cost
                + (try await node.deliver(
                    batch, operations: perRound, bytes: perRound * frame.readableBytes, withWriting: withWriting))
        } while cost.operations < messages
        return cost
    }

    /// Events without a store: the sessions take each for the next one, because it names the one before.
    private static func events(_ node: BenchNode, messages: Int, withWriting: Bool) async throws -> Cost {
        let frame = ServerFrames.live(type: Array("\"bench\"".utf8)[...], data: Samples.payload[...])
        func fingerprint(_ round: Int) -> UInt64 { Fingerprint.of(round == 0 ? [] : Array("e\(round)".utf8)) }
        var cost = Cost.none
        repeat {
            let round = node.nextRound()
            let batch = node.users.map {
                Delivery.event(
                    user: $0, seq: Int64(round), previous: fingerprint(round - 1), id: fingerprint(round),
                    acceptedMicroseconds: 1, frame: frame)
            }
            cost =
                cost
                + (try await node.deliver(
                    batch, operations: batch.count, bytes: batch.count * frame.readableBytes, withWriting: withWriting))
        } while cost.operations < messages
        return cost
    }
}
