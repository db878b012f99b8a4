import AsyncHTTPClient
import Core
import Foundation
import Logging
import NIOCore
import NIOHTTP1

/// Where a key set's document comes from.
protocol KeySetSource: Sendable {
    /// Whether it can have changed by itself since it was read.
    var isLive: Bool { get }
    /// - Returns: the document, and how long it may be kept if its server says so.
    func read() async throws -> (document: [UInt8], maxAgeSeconds: Int?)
}

/// Why a key set could not be read; without secrets, for the log.
struct KeySetUnreadable: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// The largest key set that is read: hundreds of keys.
private let documentBytesMax = 1024 * 1024

/// A key set in a file, read when a node starts and on SIGHUP.
struct KeySetFile: KeySetSource {
    let path: String
    let isLive = false

    func read() async throws -> (document: [UInt8], maxAgeSeconds: Int?) {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw KeySetUnreadable("\(path) cannot be opened")
        }
        defer { try? file.close() }
        let data: Data
        do { data = try file.read(upToCount: documentBytesMax + 1) ?? Data() } catch {
            throw KeySetUnreadable("\(path) cannot be read")
        }
        guard data.count <= documentBytesMax else {
            throw KeySetUnreadable("\(path) has more than \(documentBytesMax) bytes")
        }
        return (Array(data), nil)
    }
}

/// A key set behind a URL. Each reading has a connection of its own: they are minutes apart.
struct KeySetURL: KeySetSource {
    let url: String
    let isLive = true
    /// For the whole answer; no part of it may let wait for half of that.
    var timeoutSeconds: Int64 = 10

    func read() async throws -> (document: [UInt8], maxAgeSeconds: Int?) {
        // The client's own deadline ends with the head: a body that trickles in would never be given up.
        try await withThrowingTaskGroup { group in
            group.addTask { try await fetch() }
            group.addTask {
                try await Task.sleep(for: .seconds(timeoutSeconds))
                throw KeySetUnreadable("the server gave no whole answer within \(timeoutSeconds) s")
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }

    private func fetch() async throws -> (document: [UInt8], maxAgeSeconds: Int?) {
        var configuration = HTTPClient.Configuration(
            // A redirect could lead from https to anywhere.
            redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(5), read: .milliseconds(timeoutSeconds * 500)))
        configuration.httpVersion = .http1Only
        return try await HTTPClient.withHTTPClient(configuration: configuration) { client in
            var request = HTTPClientRequest(url: url)
            request.headers.add(name: "accept", value: "application/jwk-set+json, application/json")
            request.headers.add(name: "user-agent", value: "apus")
            let response = try await client.execute(request, timeout: .seconds(timeoutSeconds))
            guard response.status == .ok else { throw KeySetUnreadable("the server answered \(response.status.code)") }
            let body = try await response.body.collect(upTo: documentBytesMax)
            let maxAge = Self.maxAgeSeconds(response.headers[canonicalForm: "cache-control"].map(String.init))
            return (Array(body.readableBytesView), maxAge)
        }
    }

    /// The `max-age` of `Cache-Control` (RFC 9111 §5.2.2.1); `no-store` and `no-cache` count as 0.
    static func maxAgeSeconds(_ directives: [String]) -> Int? {
        for directive in directives {
            let parts = directive.lowercased().split(separator: "=", maxSplits: 1).map {
                $0.trimmingCharacters(in: CharacterSet(charactersIn: " \t\""))
            }
            if parts.first == "no-store" || parts.first == "no-cache" { return 0 }
            if parts.count == 2, parts[0] == "max-age", let seconds = Int(parts[1]), seconds >= 0 { return seconds }
        }
        return nil
    }
}

extension JWKSSource {
    /// What is wrong with it, as the end of a sentence that begins with the setting's name; nil when nothing is.
    ///
    /// Keys that came over a network in the clear could be anybody's, so plain HTTP is for this machine only.
    public var problem: String? {
        guard case .url(let text) = self else { return nil }
        guard let url = URLComponents(string: text), let scheme = url.scheme?.lowercased(), let host = url.host,
            !host.isEmpty
        else { return "is not a URL" }
        switch scheme {
        case "https": return nil
        case "http":
            let name = host.trimmingCharacters(in: CharacterSet(charactersIn: "[]")).lowercased()
            let isLoopback = name == "localhost" || Self.loopback.contains { $0.contains(name) }
            return isLoopback ? nil : "is plain http to another machine: use https"
        default: return "has the scheme \(scheme): use https"
        }
    }

    /// What is wrong with the contents of a file, so that it is said before anything is started; nil for a URL.
    public func fileProblem() async -> String? {
        guard case .file = self else { return nil }
        do {
            _ = try await KeySet.parse(try await source.read().document) { _, _ in }
            return nil
        } catch {
            return "\(error)"
        }
    }

    private static let loopback = ["127.0.0.0/8", "::1"].compactMap(AddressRange.init)

    var source: any KeySetSource {
        switch self {
        case .url(let url): KeySetURL(url: url)
        case .file(let path): KeySetFile(path: path)
        }
    }
}
