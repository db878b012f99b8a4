/// What is asked of the nodes' backend listeners.
extension Site {
    /// The sum over all nodes of a counter of `/metrics`; nil when one of them does not tell it.
    func counter(_ name: String) async -> Int? {
        guard plan.peer == nil else { return nil }
        var sum = 0
        for backend in target.backends {
            guard let page = try? await BackendRequest.send(to: backend, "GET", "/metrics"), page.status == 200,
                let value = Self.value(of: name, in: page.body)
            else { return nil }
            sum += value
        }
        return sum
    }

    /// The value of a metric without labels on a page of Prometheus' text format.
    static func value(of name: String, in page: String) -> Int? {
        for line in page.split(separator: "\n") where line.hasPrefix(name + " ") {
            return line.split(separator: " ").dropFirst().first.flatMap { Double($0) }.flatMap { Int(exactly: $0) }
        }
        return nil
    }

    /// Publishes a batch of live events to a topic. - Parameter batch: A JSON array (PROTOCOL §4).
    func publish(to topic: String, _ batch: String) async throws {
        guard let backend = target.backends.first else { throw SiteError("there is no backend listener to publish to") }
        let answer = try await BackendRequest.send(
            to: backend, key: target.apiKey, "POST", "/v1/topics/\(topic)", body: batch)
        guard answer.status == 200 else {
            throw SiteError("POST /v1/topics/\(topic) was answered \(answer.status): \(answer.body.prefix(200))")
        }
    }
}
