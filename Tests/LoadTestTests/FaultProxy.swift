import ApusTesting
import Foundation
import Spawn
import Synchronization
import Wire

@testable import apus_loadtest

/// Stands between sessions and a node, and does to every so many-th event what no node may do. Two threads per
/// connection: a test has few.
final class FaultProxy: Sendable {
    enum Fault: String, CaseIterable, Sendable {
        case none, drop, double
        /// Two events of one session change places.
        case swap
        /// Two sessions get each other's event.
        case exchange
        /// The answer to a `send` is left out.
        case swallow
    }

    let port: Int
    private let fault: Fault
    private let every: Int
    private let listener: Int32
    private let target: Int
    private let state = Mutex(State())

    private struct State {
        var events = 0
        var faults = 0
        /// An event that waits for one of another connection, and whose it is.
        var offered: (connection: Int32, frame: [UInt8])?
        /// What a connection gets instead of its own, with its next event.
        var foreign: [Int32: [UInt8]] = [:]
        var descriptors: Set<Int32> = []
        var isStopped = false
    }

    /// How often it did it.
    var faults: Int { state.withLock { $0.faults } }

    init(to target: Int, _ fault: Fault, every: Int) throws {
        (self.fault, self.every, self.target) = (fault, every, target)
        port = try FreePort.next()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let bound = Endpoint.withLocal(port) { bind(listener, $0, $1) }
        guard bound == 0, listen(listener, 512) == 0 else { throw TestFailure("no listener: \(errno)") }
        Thread.detachNewThread { self.accept() }
    }

    func stop() {
        let open = state.withLock { state in
            state.isStopped = true
            return state.descriptors
        }
        shutdown(listener, Int32(SHUT_RDWR))
        for descriptor in open { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    private func accept() {
        while true {
            let client = Foundation.accept(listener, nil, nil)
            guard client >= 0 else { break }
            let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            guard Endpoint.withLocal(target, { connect(server, $0, $1) }) == 0 else {
                close(client)
                close(server)
                continue
            }
            state.withLock { $0.descriptors.formUnion([client, server]) }
            Thread.detachNewThread { self.copy(from: client, to: server) }
            Thread.detachNewThread { self.corrupt(from: server, to: client) }
        }
        close(listener)
    }

    private func copy(from source: Int32, to target: Int32) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = read(source, &buffer, buffer.count)
            guard count > 0, Self.write(buffer[..<count], to: target) else { break }
        }
        shutdown(target, Int32(SHUT_RDWR))
        end(source)
    }

    /// Passes frames on, one by one, with the fault in some.
    private func corrupt(from source: Int32, to target: Int32) {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        var input: [UInt8] = []
        var isUpgraded = false
        var held: [UInt8]?
        loop: while true {
            let count = read(source, &buffer, buffer.count)
            guard count > 0 else { break }
            input += buffer[..<count]
            if !isUpgraded {
                guard let end = input.firstRange(of: Array("\r\n\r\n".utf8))?.upperBound else { continue }
                guard Self.write(input[..<end], to: target) else { break }
                input.removeFirst(end)
                isUpgraded = true
            }
            while let frame = Self.takeFrame(&input) {
                for out in changed(frame, of: target, &held) where !Self.write(out[...], to: target) { break loop }
            }
        }
        shutdown(target, Int32(SHUT_RDWR))
        end(source)
    }

    private func changed(_ frame: [UInt8], of connection: Int32, _ held: inout [UInt8]?) -> [[UInt8]] {
        let faulty = fault == .swallow ? Self.answers : Self.events
        guard faulty.contains(where: { frame.firstRange(of: $0) != nil }) else { return [frame] }
        if fault == .exchange { return exchanged(frame, of: connection) }
        if let earlier = held {
            held = nil
            state.withLock { $0.faults += 1 }
            return [frame, earlier]
        }
        let isTurn = state.withLock { state in
            state.events += 1
            let isTurn = fault != .none && state.events % every == 0
            if isTurn, fault != .swap { state.faults += 1 }
            return isTurn
        }
        guard isTurn else { return [frame] }
        switch fault {
        case .none, .exchange: return [frame]
        case .drop, .swallow: return []
        case .double: return [frame, frame]
        case .swap:
            held = frame
            return []
        }
    }

    private static let events = ["notification", "message", "live", "topic"].map { Array("{\"ev\":\"\($0)\"".utf8) }
    private static let answers = [Array(#"{"re":"m."#.utf8)]

    private func exchanged(_ frame: [UInt8], of connection: Int32) -> [[UInt8]] {
        state.withLock { state in
            state.events += 1
            // Only this connection's own thread writes to it: what another left for it goes out with its next event.
            if let foreign = state.foreign.removeValue(forKey: connection) {
                state.faults += 1
                return [foreign, frame]
            }
            if let offered = state.offered {
                guard offered.connection != connection else { return [frame] }
                state.offered = nil
                state.foreign[offered.connection] = frame
                state.faults += 1
                return [offered.frame]
            }
            guard state.events % every == 0 else { return [frame] }
            state.offered = (connection: connection, frame: frame)
            return []
        }
    }

    private static func takeFrame(_ input: inout [UInt8]) -> [UInt8]? {
        // SAFETY: the bytes are read inside the closure only.
        let length = input.withUnsafeBytes { bytes -> Int? in
            guard case .head(let head) = ServerFrameHead.read(bytes) else { return nil }
            return head.headBytes + head.payloadBytes
        }
        guard let length, input.count >= length else { return nil }
        defer { input.removeFirst(length) }
        return Array(input[..<length])
    }

    private static func write(_ bytes: ArraySlice<UInt8>, to descriptor: Int32) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// Each of a connection's two descriptors is closed by the thread that reads from it.
    private func end(_ descriptor: Int32) {
        _ = state.withLock { $0.descriptors.remove(descriptor) }
        close(descriptor)
    }
}

extension Endpoint {
    fileprivate static func withLocal<Result>(
        _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        Endpoint(address: 0x7F00_0001, port: UInt16(port)).withAddress(body)
    }
}
