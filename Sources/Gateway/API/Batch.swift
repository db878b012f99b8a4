import Core
import Notifications
import Wire

/// The items of one backend request: one object, an array, or NDJSON (PROTOCOL §4).
struct Batch: Sendable {
    /// Each item's object, or why it is none.
    let items: [Result<JSONObject, ApusError>]
    /// Whether the request was written as a batch: its results then carry an `index`.
    let isBatch: Bool

    /// - Parameter isLines: The content type says NDJSON.
    init(_ body: [UInt8], isLines: Bool) throws(ApusError) {
        guard !isLines else {
            items = body.split(separator: UInt8(ascii: "\n")).filter { !$0.allSatisfy { $0 <= 0x20 } }.map(Self.object)
            isBatch = true
            guard !items.isEmpty else { throw .badRequest("the body holds no item") }
            return
        }
        let document: JSONValue
        do throws(JSONError) { document = try JSONValue.document(body, depthMax: Limits.jsonDepthMax + 1) } catch {
            throw .badRequest("the body is no JSON: \(error)")
        }
        if let elements = document.array {
            guard !elements.isEmpty else { throw .badRequest("the array holds no item") }
            items = elements.map { Self.object($0.bytes) }
            isBatch = true
        } else {
            items = [Self.object(body[...])]
            isBatch = false
        }
    }

    private static func object(_ bytes: ArraySlice<UInt8>) -> Result<JSONObject, ApusError> {
        guard bytes.count <= Limits.notificationBytesMax else {
            return .failure(
                ApusError(
                    .tooLarge, "an item has at most \(Limits.notificationBytesMax) bytes, this one \(bytes.count)"))
        }
        do throws(JSONError) { return .success(try JSONObject(bytes)) } catch {
            return .failure(.badRequest("not an object: \(error)"))
        }
    }

    /// Reads every item with `read`, keeping the good ones apart from the bad.
    func map<Value>(_ read: (JSONObject, Int) throws(ApusError) -> Value) -> [Result<Value, ApusError>] {
        items.enumerated().map { index, item in
            switch item {
            case .failure(let error): return .failure(error)
            case .success(let object):
                do throws(ApusError) { return .success(try read(object, index)) } catch { return .failure(error) }
            }
        }
    }
}

/// The answer to a batch: a status and `{"results":[…]}`.
struct BatchAnswer: Sendable {
    var status: Int
    var body: [UInt8]

    /// - Parameters:
    ///   - items: What became of each item, in order: the JSON objects that stand for it, or its error.
    ///   - unavailable: Nothing could be stored because of the store.
    init(_ items: [Result<[[UInt8]], ApusError>], isBatch: Bool, unavailable: Bool) {
        var firstBad: (index: Int, error: ApusError)?
        var anyGood = false
        for (index, item) in items.enumerated() {
            switch item {
            case .success: anyGood = true
            case .failure(let error): if firstBad == nil { firstBad = (index, error) }
            }
        }
        status = unavailable ? 503 : anyGood ? 200 : firstBad?.error.code == .tooLarge ? 413 : 400
        let status = status
        body = JSONWriter.object { writer in
            if status == 503 {
                writer.member("error", object: ApusError.unavailable("the store is not available").write)
            } else if status != 200, let firstBad {
                var error = firstBad.error
                if isBatch { error.message = "item \(firstBad.index): \(error.message)" }
                writer.member("error", object: error.write)
            }
            writer.member(
                "results",
                array: { list in
                    for (index, item) in items.enumerated() {
                        switch item {
                        case .success(let results): results.forEach { list.element($0) }
                        case .failure(let error):
                            list.object {
                                if isBatch { $0.member("index", index) }
                                $0.member("stored", false)
                                $0.member("error", object: error.write)
                            }
                        }
                    }
                })
        }
    }
}

extension Backend {
    /// `POST /v1/notifications`.
    func notify(_ body: [UInt8], isLines: Bool, key: String?, cloudEvent: [String: String]) async throws(ApusError)
        -> BatchAnswer
    {
        let now = node.time.wallMilliseconds()
        if cloudEvent["specversion"] != nil {
            let request = try NotificationRequest.parse(
                body, NotificationEnvelope(fallbackID: key, cloudEvent: cloudEvent, nowMilliseconds: now))
            return await publish([.success(request)], isBatch: false)
        }
        let batch = try Batch(body, isLines: isLines)
        let requests = batch.map { object, index throws(ApusError) in
            try NotificationRequest.parse(
                object,
                NotificationEnvelope(
                    fallbackID: key.map { batch.isBatch ? "\($0):\(index)" : $0 }, nowMilliseconds: now))
        }
        let total = requests.reduce(0) { $0 + ((try? $1.get().recipients.count) ?? 0) }
        guard total <= Limits.recipientsPerRequestMax else {
            throw ApusError(
                .tooLarge, "at most \(Limits.recipientsPerRequestMax) recipients in one request, not \(total)")
        }
        return await publish(requests, isBatch: batch.isBatch)
    }

    private func publish(_ requests: [Result<NotificationRequest, ApusError>], isBatch: Bool) async -> BatchAnswer {
        let good = requests.compactMap { try? $0.get() }
        var outcomes = (good.isEmpty ? [] : await publisher.publish(good))[...]
        let unavailable =
            !outcomes.isEmpty && outcomes.allSatisfy { if case .failure = $0.result { true } else { false } }
        let items = requests.enumerated().map { index, request in
            request.map { request in
                let mine = outcomes.prefix(request.recipients.count)
                outcomes = outcomes.dropFirst(request.recipients.count)
                return mine.map { outcome in
                    var writer = JSONWriter()
                    Publisher.write(outcome, index: isBatch ? index : nil, to: &writer)
                    return writer.bytes
                }
            }
        }
        return BatchAnswer(items, isBatch: isBatch, unavailable: unavailable)
    }

    /// `POST /v1/live`: to one user, several, or everybody (`"all":true`).
    func live(_ body: [UInt8], isLines: Bool) throws(ApusError) -> BatchAnswer {
        let batch = try Batch(body, isLines: isLines)
        let items = batch.map { object, index throws(ApusError) in
            let event = try LiveFeed.Event(object)
            guard event.type != nil else { throw ApusError.badRequest("type: is missing") }
            let frame = event.frame()
            if try object.flag("all") == true {
                node.router.broadcast([.liveAll(frame: frame)])
                return [Self.sent(index, batch.isBatch) { $0.member("all", true) }]
            }
            let users = try recipients(object)
            // The frame once, however many they are: NATS drops what has more than 1 MiB.
            node.router.broadcast([.liveUsers(users, frame: frame)])
            return users.map { user in Self.sent(index, batch.isBatch) { $0.member("user", user.text) } }
        }
        return BatchAnswer(items, isBatch: batch.isBatch, unavailable: false)
    }

    /// `POST /v1/topics/{topic}`.
    func publish(to topic: Topic, _ body: [UInt8], isLines: Bool) throws(ApusError) -> BatchAnswer {
        let batch = try Batch(body, isLines: isLines)
        let items = batch.map { object, index throws(ApusError) in
            node.router.broadcast([.liveTopic(topic, frame: try LiveFeed.Event(object).frame(topic))])
            return [Self.sent(index, batch.isBatch) { $0.member("topic", topic.text) }]
        }
        return BatchAnswer(items, isBatch: batch.isBatch, unavailable: false)
    }

    /// Each once, in the order of their first naming.
    private func recipients(_ object: JSONObject) throws(ApusError) -> [UserID] {
        let names: [String]
        if let one = object.present("to")?.string {
            names = [one]
        } else {
            names = try object.texts("to", countMax: Limits.recipientsMax) ?? []
        }
        guard !names.isEmpty else { throw .badRequest("to: names no recipient; for everybody give \"all\":true") }
        var users: [UserID] = []
        var seen: Set<UserID> = []
        for (index, name) in names.enumerated() {
            guard let user = UserID(name) else {
                throw .badRequest(names.count == 1 ? "to: is no user id" : "to[\(index)]: is no user id")
            }
            if seen.insert(user).inserted { users.append(user) }
        }
        return users
    }

    private static func sent(_ index: Int, _ isBatch: Bool, _ target: (inout JSONWriter) -> Void) -> [UInt8] {
        JSONWriter.object {
            if isBatch { $0.member("index", index) }
            target(&$0)
            $0.member("sent", true)
        }
    }
}
