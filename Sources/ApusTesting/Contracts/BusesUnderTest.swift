import Bus
import Core
import Synchronization
import Testing

/// One adapter of `Bus` on one server, as the contract suite sees it.
///
/// Every case has a subject prefix of its own, so cases may run at the same time on one server.
public struct BusesUnderTest: Sendable {
    private let connect: @Sendable (Subjects) async throws -> any Bus

    /// - Parameter connect: A new connected bus, as another node would have it. Buses with the same subjects reach
    ///   each other. The suite closes it.
    public init(connect: @escaping @Sendable (Subjects) async throws -> any Bus) { self.connect = connect }

    /// Runs `body` with `count` nodes that nobody else reaches, and closes them.
    func withNodes(
        _ count: Int, _ body: @Sendable ([any Bus], Subjects) async throws -> Void
    ) async throws {
        let subjects = try #require(Subjects(prefix: "t" + RandomToken.make(length: 10)))
        var nodes: [any Bus] = []
        do {
            for _ in 0..<count { nodes.append(try await connect(subjects)) }
            try await body(nodes, subjects)
        } catch {
            for node in nodes { await node.close() }
            throw error
        }
        for node in nodes { await node.close() }
    }
}

/// What handlers were given, in order.
final class Recorder<Value: Sendable>: Sendable {
    private let recorded = Mutex<[Value]>([])

    var all: [Value] { recorded.withLock { $0 } }
    var count: Int { recorded.withLock { $0.count } }

    func record(_ value: Value) { recorded.withLock { $0.append(value) } }

    /// Waits until that many were recorded, and gives them.
    func wait(for count: Int) async throws -> [Value] {
        try await eventually("\(count) messages; there are \(self.count)") { self.count >= count }
        return all
    }
}

extension BusMessage {
    init(_ subject: String, _ text: String) { self.init(subject: subject, payload: Array(text.utf8)) }

    var text: String { String(decoding: payload, as: UTF8.self) }
}

extension Bus {
    func ask(_ message: BusMessage, timeoutMilliseconds: Int = 10_000) async throws -> BusMessage {
        try await answer { request(message, timeoutMilliseconds: timeoutMilliseconds, $0) }
    }

    /// Stores a message, and again with the same id when the answer did not come in time, as callers must: a server
    /// whose disk is busy with other suites may take longer than an adapter waits.
    func store(_ message: BusMessage, dedupID: String = RandomToken.make(length: 16)) async throws {
        for attempt in 1... {
            do {
                return try await answer { publishDurable(message, dedupID: dedupID, $0) }
            } catch let error as StoreError where error.outcome == .unknown && attempt < 5 {
                continue
            }
        }
    }
}
