import Foundation
import Testing

/// The test vectors of the protocol: `docs/vectors/*.json`, described in the README there.
public enum Vectors {
    /// The folder of the repository.
    public static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent()

    /// All vectors of a file. - Throws: when it is not there, empty, or not of this form.
    public static func load<Vector: Decodable>(_ name: String, as type: Vector.Type = Vector.self) throws -> [Vector] {
        let data = try Data(contentsOf: repository.appendingPathComponent("docs/vectors/\(name).json"))
        let vectors = try JSONDecoder().decode([Vector].self, from: data)
        guard !vectors.isEmpty else { throw TestFailure("no vectors in \(name).json") }
        return vectors
    }
}

/// A row of `handshakes.json`: a request for a socket and what comes of it.
public struct HandshakeVector: Decodable, Sendable, CustomTestStringConvertible {
    public var name: String
    public var testDescription: String { name }
    private var lines: [Line]?
    private var raw: String?
    /// nil where the defaults are meant.
    public var settings: Settings?
    public var status: Int
    public var accept: String?
    public var subprotocol: String?
    public var token: String?
    public var headers: [String: String]?
    private var socket_only: Bool?

    /// Whether it shows on a socket only.
    public var socketOnly: Bool { socket_only == true }

    public struct Settings: Decodable, Sendable {
        public var origins: Set<String>?
        public var query_token: Bool?
    }

    /// The whole request.
    public var bytes: [UInt8] {
        Array((raw ?? (lines ?? []).flatMap(\.expanded).map { $0 + "\r\n" }.joined() + "\r\n").utf8)
    }

    /// One line, or many like it.
    private struct Line: Decodable, Sendable {
        var expanded: [String]

        init(from decoder: any Decoder) throws {
            if let one = try? decoder.singleValueContainer().decode(String.self) {
                expanded = [one]
                return
            }
            let object = try decoder.container(keyedBy: Key.self)
            let line = try object.decode(String.self, forKey: .line)
            if let count = try object.decodeIfPresent(Int.self, forKey: .lines) {
                expanded = Array(repeating: line, count: count)
            } else {
                let times = try object.decode(Int.self, forKey: .times)
                expanded = [line + String(repeating: try object.decode(String.self, forKey: .then), count: times)]
            }
        }

        enum Key: CodingKey { case line, lines, then, times }
    }
}
