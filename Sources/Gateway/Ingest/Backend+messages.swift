import Chat
import Core
import Wire

/// What became of a backend's message.
struct MessageResult: Sendable {
    var request: MessageRequest
    var result: Result<CommitOutcome, StoreError>

    /// Whether the store could not do it now; the same again is the same message.
    var isUnavailable: Bool { if case .failure = result { true } else { false } }

    /// Why it can never be stored; nil when it was, or may be later.
    var refusal: ApusError? { if case .success(.refused(let error)) = result { error } else { nil } }

    /// `{"conv","n","id","ts","user","stored":true,"duplicate":…}`, or with `error`.
    func write(index: Int? = nil, to writer: inout JSONWriter) {
        writer.object { writer in
            if let index { writer.member("index", index) }
            if let other = request.conversation.partner(of: request.from) { writer.member("user", other.text) }
            switch result {
            case .success(.appended(let commit)): write(commit, duplicate: false, to: &writer)
            case .success(.duplicate(let commit)): write(commit, duplicate: true, to: &writer)
            case .success(.refused(let error)):
                writer.member("stored", false)
                writer.member("error", object: error.write)
            case .success: writer.member("stored", false)
            case .failure(let error):
                if error.outcome == .notStored { writer.member("stored", false) }
                writer.member("error", object: error.forBackend.write)
            }
        }
    }

    private func write(_ commit: Commit, duplicate: Bool, to writer: inout JSONWriter) {
        commit.writeSent(in: request.conversation, to: &writer, duplicate: duplicate)
        writer.member("stored", true)
        writer.member("duplicate", duplicate)
    }
}

extension Backend {
    /// Sends a message in a user's name. Answers when it is in the conversation.
    func send(_ request: MessageRequest, _ done: @escaping @Sendable (MessageResult) -> Void) {
        Messenger(node: node).commit(
            .send(cid: request.cid, body: request.body), to: request.conversation, by: request.from
        ) { done(MessageResult(request: request, result: $0)) }
    }

    func send(_ request: MessageRequest) async -> MessageResult {
        await withCheckedContinuation { continuation in send(request) { continuation.resume(returning: $0) } }
    }

    /// `POST /v1/messages`: one object, an array or NDJSON. All are handed to the store at once and in this order.
    func messages(_ body: [UInt8], isLines: Bool, key: String?) async throws(ApusError) -> BatchAnswer {
        let batch = try Batch(body, isLines: isLines)
        let requests = batch.map { object, index throws(ApusError) in
            try MessageRequest.parse(object, fallbackID: key.map { batch.isBatch ? "\($0):\(index)" : $0 })
        }
        var results = await sendAll(requests.compactMap { try? $0.get() })[...]
        let unavailable = !results.isEmpty && results.allSatisfy(\.isUnavailable)
        let items = requests.enumerated().map { index, request -> Result<[[UInt8]], ApusError> in
            switch request {
            case .failure(let error): return .failure(error)
            case .success:
                guard let result = results.popFirst() else { return .failure(.unavailable("no answer")) }
                if let refusal = result.refusal { return .failure(refusal) }
                var writer = JSONWriter()
                result.write(index: batch.isBatch ? index : nil, to: &writer)
                return .success([writer.bytes])
            }
        }
        return BatchAnswer(items, isBatch: batch.isBatch, unavailable: unavailable)
    }

    private func sendAll(_ requests: [MessageRequest]) async -> [MessageResult] {
        guard !requests.isEmpty else { return [] }
        return await withCheckedContinuation { continuation in
            let gathering = Gathering<MessageResult>(count: requests.count) { continuation.resume(returning: $0) }
            for (index, request) in requests.enumerated() { send(request) { gathering.set(index, $0) } }
        }
    }
}
