import Bus
import Core
import Foundation

/// Requests to JetStream's API, which are JSON on `$JS.API.…` (NATS ADR-1 and its schemas). Durations are nanoseconds.
enum JetStreamAPI {
    struct Failure: Decodable, Hashable {
        var code: Int
        var err_code: Int?
        var description: String?

        static let streamNotFound = 10059
        static let streamNameInUse = 10058
        static let streamSubjectsOverlap = 10065
        static let consumerNotFound = 10014
        static let notEnabled: Set<Int> = [10039, 10076]
        /// A stream is to have more copies than there are servers for them.
        static let tooFewServers: Set<Int> = [10005, 10074]

        var text: String { "\(description ?? "error") (\(err_code ?? code))" }
    }

    /// Any answer: either its fields, or an error.
    struct Answer<Fields: Decodable>: Decodable {
        var error: Failure?
        var fields: Fields?

        private enum Keys: String, CodingKey { case error }

        init(from decoder: any Decoder) throws {
            error = try decoder.container(keyedBy: Keys.self).decodeIfPresent(Failure.self, forKey: .error)
            fields = error == nil ? try Fields(from: decoder) : nil
        }
    }

    struct Nothing: Codable {}

    struct StreamConfig: Codable {
        var name: String
        var subjects: [String]?
        var retention = "limits"
        var storage = "file"
        var discard = "old"
        var max_consumers: Int? = -1
        var max_msgs: Int64? = -1
        var max_bytes: Int64? = -1
        var max_age: Int64? = 0
        var max_msg_size: Int? = -1
        var max_msgs_per_subject: Int64? = -1
        var duplicate_window: Int64? = 0
        var num_replicas: Int? = 1
        /// Servers since 2.9 always say it: the client library does not tell us their version.
        var allow_direct: Bool?
    }

    struct StreamInfo: Decodable {
        var config: StreamConfig
        /// Changes when the stream is made anew, and its numbers begin again.
        var created: String
    }

    struct ConsumerConfig: Codable {
        var durable_name: String?
        var deliver_policy = "all"
        var opt_start_seq: UInt64?
        var ack_policy = "explicit"
        var ack_wait: Int64?
        var max_deliver: Int? = -1
        var max_ack_pending: Int?
        var filter_subject: String?
        var replay_policy = "instant"
        /// Set for consumers that push: not ours.
        var deliver_subject: String?
    }

    struct ConsumerInfo: Decodable {
        struct Sequences: Decodable {
            var stream_seq: UInt64
        }
        var config: ConsumerConfig
        /// Everything up to it is settled.
        var ack_floor: Sequences
        /// Messages in the stream that were never handed out.
        var num_pending: UInt64
        /// Messages handed out and not settled.
        var num_ack_pending: Int
    }

    struct CreateConsumer: Encodable {
        var stream_name: String
        var config: ConsumerConfig
    }

    /// Asks for messages.
    struct Next: Encodable {
        var batch: Int
        var expires: Int64
        var idle_heartbeat: Int64
    }

    /// What a publish to a stream is answered with.
    struct PublishAnswer: Decodable {
        var stream: String
        var seq: UInt64
        var duplicate: Bool?
    }

    static func encode(_ value: some Encodable) -> [UInt8] {
        // Encoding these structs cannot fail: strings, numbers and nothing else.
        (try? JSONEncoder().encode(value)).map { [UInt8]($0) } ?? []
    }

    static func decode<Fields: Decodable>(_ payload: [UInt8]) -> Answer<Fields>? {
        try? JSONDecoder().decode(Answer<Fields>.self, from: Data(payload))
    }
}
