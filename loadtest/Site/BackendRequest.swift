import Foundation

/// One request to a node's backend listener (PROTOCOL §4), on a connection of its own: for what is seldom asked.
enum BackendRequest {
    struct Answer: Equatable, Sendable {
        var status: Int
        var body: String
    }

    private static let patienceMilliseconds: Int32 = 5000

    /// - Parameters:
    ///   - backend: `http://host:port`.
    ///   - key: One of its API keys; empty sends none.
    /// - Throws: `LoadError` when there is no answer.
    static func send(
        to backend: String, key: String = "", _ method: String, _ path: String, body: String = ""
    ) async throws -> Answer {
        let endpoint = try LoadPlan.endpoint(backend, option: "--backend", scheme: "http", port: 8081).endpoint
        let authorization = key.isEmpty ? "" : "Authorization: Bearer \(key)\r\n"
        let request = """
            \(method) \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\(authorization)\
            Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)
            """
        // It blocks: not on one of the threads that tasks share.
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try exchange(endpoint, request) }) }
        }
    }

    private static func exchange(_ endpoint: Endpoint, _ request: String) throws -> Answer {
        var link = try PublisherLink(to: endpoint, option: "--backend")
        defer { close(link.descriptor) }
        link.append(request.utf8)
        while link.waitingBytes > 0 {
            guard link.flush() else { throw LoadError("\(endpoint.text) closed the connection within a request") }
            if link.waitingBytes > 0 { Thread.sleep(forTimeInterval: 0.001) }
        }
        while true {
            if let answer = answer(link.input) { return answer }
            guard link.waitForInput(milliseconds: patienceMilliseconds) else { break }
        }
        // The last of it may have come with the end of the connection.
        guard let answer = answer(link.input) else {
            throw LoadError("\(endpoint.text) did not answer within \(patienceMilliseconds / 1000) s")
        }
        return answer
    }

    /// nil while it is not whole.
    static func answer(_ bytes: [UInt8]) -> Answer? {
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound else { return nil }
        let head = String(decoding: bytes[..<end], as: UTF8.self)
        guard let status = head.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return nil }
        let count = head.lowercased().firstMatch(of: /content-length: *(\d+)/).flatMap { Int($0.1) } ?? 0
        guard bytes.count - end >= count else { return nil }
        return Answer(status: status, body: String(decoding: bytes[end..<end + count], as: UTF8.self))
    }
}
