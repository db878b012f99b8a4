import Bus
import Core
import Logging
import Synchronization

/// Makes and checks the streams and the consumer that Apus needs.
final class JetStream: Sendable {
    /// The consumer that all notifiers share.
    static let durable = "notifier"
    private static let day: Int64 = 86_400 * 1_000_000_000

    typealias Request = @Sendable (BusMessage, _ timeoutMilliseconds: Int, @escaping Completion<BusMessage>) -> Void

    /// Where a consumer that was deleted under us goes on.
    private struct Progress {
        /// Of the stream: another one has other numbers.
        var streamCreated: String?
        var ackFloor: UInt64?
    }

    private let subjects: Subjects
    private let configuration: NATSConfiguration
    private let logger: Logger
    private let request: Request
    private let progress = Mutex(Progress())

    init(_ configuration: NATSConfiguration, subjects: Subjects, logger: Logger, request: @escaping Request) {
        self.configuration = configuration
        self.subjects = subjects
        self.logger = logger
        self.request = request
    }

    /// Where messages are asked for.
    var nextSubject: String { "$JS.API.CONSUMER.MSG.NEXT.\(subjects.inStream).\(Self.durable)" }

    // MARK: Streams

    /// Checks that JetStream is there and new enough, and makes the streams that are absent.
    func ensureStreams() async throws(NATSBusError) {
        try await checkEnabled()
        let created = try await ensureStream(subjects.inStream, captures: subjects.inAll)
        _ = try await ensureStream(subjects.deadStream, captures: subjects.dead)
        progress.withLock { progress in
            if progress.streamCreated != created { progress = Progress(streamCreated: created) }
        }
    }

    private func checkEnabled() async throws(NATSBusError) {
        let missing = NATSBusError(
            .jetStreamMissing,
            "the NATS server at \(configuration.redacted) has no JetStream: start nats-server with -js"
                + " (and enable it for the account, if it has accounts)")
        let answer: JetStreamAPI.Answer<JetStreamAPI.Nothing>
        do {
            answer = try await call("INFO")
        } catch {
            throw error.message.contains(Requests.nobodyAnswers) ? missing : error
        }
        guard let failure = answer.error else { return }
        if let code = failure.err_code, JetStreamAPI.Failure.notEnabled.contains(code) { throw missing }
        throw NATSBusError(.jetStream, "JetStream cannot be used now: \(failure.text)")
    }

    /// - Returns: When the stream was created.
    private func ensureStream(_ name: String, captures subject: String) async throws(NATSBusError) -> String {
        let answer: JetStreamAPI.Answer<JetStreamAPI.StreamInfo> = try await call("STREAM.INFO.\(name)")
        if let info = answer.fields { return try checked(info, name, subject) }
        guard answer.error?.err_code == JetStreamAPI.Failure.streamNotFound else {
            throw NATSBusError(.jetStream, "JetStream stream \(name): \(answer.error?.text ?? "no answer")")
        }
        return try await createStream(name, captures: subject)
    }

    private func createStream(_ name: String, captures subject: String) async throws(NATSBusError) -> String {
        let config = JetStreamAPI.StreamConfig(
            name: name, subjects: [subject], max_age: 7 * Self.day, duplicate_window: 120 * 1_000_000_000,
            num_replicas: configuration.replicas)
        let answer: JetStreamAPI.Answer<JetStreamAPI.StreamInfo> = try await call("STREAM.CREATE.\(name)", config)
        if let info = answer.fields {
            logger.info("created JetStream stream", metadata: ["stream": "\(name)", "subject": "\(subject)"])
            return try checked(info, name, subject)
        }
        if answer.error?.err_code == JetStreamAPI.Failure.streamNameInUse {
            // Another node was faster, or an operator: look at what is there.
            let found: JetStreamAPI.Answer<JetStreamAPI.StreamInfo> = try await call("STREAM.INFO.\(name)")
            if let info = found.fields { return try checked(info, name, subject) }
        }
        if answer.error?.err_code == JetStreamAPI.Failure.streamSubjectsOverlap {
            throw NATSBusError(
                .streamConflict,
                "another JetStream stream already captures \(subject), which \(name) needs: remove that subject"
                    + " from it, or choose another APUS_NATS_PREFIX")
        }
        var fix = ""
        if let code = answer.error?.err_code, JetStreamAPI.Failure.tooFewServers.contains(code) {
            fix = "; APUS_NATS_REPLICAS is \(configuration.replicas): start so many servers, or lower it"
        }
        throw NATSBusError(
            .jetStream, "JetStream did not create stream \(name): \(answer.error?.text ?? "no answer")\(fix)")
    }

    private func checked(
        _ info: JetStreamAPI.StreamInfo, _ name: String, _ subject: String
    ) throws(NATSBusError) -> String {
        guard info.config.allow_direct != nil else {
            throw NATSBusError(
                .serverTooOld, "the NATS server at \(configuration.redacted) is too old: use nats-server 2.9 or newer")
        }
        let captured = info.config.subjects ?? []
        guard captured == [subject] else {
            throw NATSBusError(
                .streamConflict,
                "the JetStream stream \(name) captures \(captured.joined(separator: ", ")), and Apus needs it to"
                    + " capture \(subject): remove or change that stream, or choose another APUS_NATS_PREFIX")
        }
        return info.created
    }

    // MARK: Consumer

    /// Makes the consumer if it is absent. After it was deleted it goes on behind what was settled as far as this node
    /// knows; what is handed out again, the store recognises.
    func ensureConsumer() async throws(NATSBusError) {
        let name = "\(subjects.inStream).\(Self.durable)"
        if let info = try await consumerInfo() { return try check(info, name) }
        let floor = progress.withLock { $0.ackFloor }
        var config = JetStreamAPI.ConsumerConfig(
            durable_name: Self.durable, ack_wait: Int64(configuration.ackWaitMilliseconds) * 1_000_000,
            max_ack_pending: configuration.ackPendingMax)
        if let floor {
            config.deliver_policy = "by_start_sequence"
            config.opt_start_seq = floor + 1
        }
        let answer: JetStreamAPI.Answer<JetStreamAPI.ConsumerInfo> = try await call(
            "CONSUMER.DURABLE.CREATE.\(name)",
            JetStreamAPI.CreateConsumer(stream_name: subjects.inStream, config: config))
        if answer.fields != nil {
            logger.notice(
                "created JetStream consumer",
                metadata: ["consumer": "\(name)", "from": "\(floor.map { String($0 + 1) } ?? "the beginning")"])
            return
        }
        // Another node may have made it at the same moment, with another start.
        if let info = try await consumerInfo() { return try check(info, name) }
        throw NATSBusError(
            .jetStream, "JetStream did not create consumer \(name): \(answer.error?.text ?? "no answer")")
    }

    /// Looks how far the consumer is. - Returns: Messages that wait to be handed out; nil when it is not there.
    func noteProgress() async throws(NATSBusError) -> UInt64? {
        try await consumerInfo()?.num_pending
    }

    /// Asks for the consumer, and remembers how far it is. - Returns: nil when it is not there.
    private func consumerInfo() async throws(NATSBusError) -> JetStreamAPI.ConsumerInfo? {
        let name = "\(subjects.inStream).\(Self.durable)"
        let answer: JetStreamAPI.Answer<JetStreamAPI.ConsumerInfo> = try await call("CONSUMER.INFO.\(name)")
        if let info = answer.fields {
            progress.withLock { $0.ackFloor = info.ack_floor.stream_seq }
            return info
        }
        if answer.error?.err_code == JetStreamAPI.Failure.consumerNotFound { return nil }
        throw NATSBusError(.jetStream, "JetStream consumer \(name): \(answer.error?.text ?? "no answer")")
    }

    private func check(_ info: JetStreamAPI.ConsumerInfo, _ name: String) throws(NATSBusError) {
        let config = info.config
        guard config.ack_policy == "explicit", config.deliver_subject == nil, (config.filter_subject ?? "").isEmpty
        else {
            throw NATSBusError(
                .streamConflict,
                "the JetStream consumer \(name) is not a pull consumer of the whole stream with explicit"
                    + " acknowledgement: delete it, and Apus makes it as needed")
        }
    }

    // MARK: Requests

    private func call<Fields: Decodable>(_ name: String) async throws(NATSBusError) -> JetStreamAPI.Answer<Fields> {
        try await call(name, payload: [])
    }

    private func call<Fields: Decodable>(
        _ name: String, _ body: some Encodable
    ) async throws(NATSBusError) -> JetStreamAPI.Answer<Fields> {
        try await call(name, payload: JetStreamAPI.encode(body))
    }

    private func call<Fields: Decodable>(
        _ name: String, payload: [UInt8]
    ) async throws(NATSBusError) -> JetStreamAPI.Answer<Fields> {
        let message = BusMessage(subject: "$JS.API.\(name)", payload: payload)
        let reply: BusMessage
        do {
            reply = try await Core.answer { done in request(message, configuration.jetStreamMilliseconds, done) }
        } catch {
            throw NATSBusError(.jetStream, "JetStream did not answer: \(error)")
        }
        guard let answer: JetStreamAPI.Answer<Fields> = JetStreamAPI.decode(reply.payload) else {
            throw NATSBusError(.jetStream, "JetStream answered on \(message.subject) what Apus does not understand")
        }
        return answer
    }
}
