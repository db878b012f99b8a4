/// Which master has which slots, as one server saw it.
struct SlotMap: Equatable, Sendable {
    struct Part: Equatable, Sendable {
        var slots: ClosedRange<Int>
        /// An index into `masters`.
        var master: Int
    }

    private(set) var parts: [Part] = []
    /// In no order.
    private(set) var masters: [RedisAddress] = []
    private(set) var replicas: [RedisAddress] = []

    /// The slots that no master has.
    var missing: [ClosedRange<Int>] {
        var missing: [ClosedRange<Int>] = []
        var next = 0
        for slots in parts.map(\.slots).sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if slots.lowerBound > next { missing.append(next...(slots.lowerBound - 1)) }
            next = max(next, slots.upperBound + 1)
        }
        if next < RedisSlot.count { missing.append(next...(RedisSlot.count - 1)) }
        return missing
    }

    var isWhole: Bool { missing.isEmpty }
}

// MARK: Reading

extension SlotMap {
    /// What `CLUSTER SLOTS` is answered: a list of `[first, last, master, replica …]`, each server a list
    /// `[host, port, …]`. Four levels at most, hiredis takes seven.
    ///
    /// - Parameter answering: The server that answered; it may leave out what it does not know of itself, its name.
    /// - Throws: What is not as it should be.
    init(_ reply: RedisReply, from answering: RedisAddress) throws(RedisStartError) {
        if case .error(let message) = reply { throw Self.refusal(message) }
        guard let list = reply.list else { throw Self.malformed }
        var numbers: [RedisAddress: Int] = [:]
        for element in list {
            guard let fields = element.list, fields.count >= 3, let first = fields[0].integer,
                let last = fields[1].integer, 0 <= first, first <= last, last < RedisSlot.count,
                let master = Self.server(fields[2], answering)
            else { throw Self.malformed }
            let number = numbers[master] ?? masters.count
            if numbers[master] == nil {
                numbers[master] = number
                masters.append(master)
            }
            parts.append(Part(slots: Int(first)...Int(last), master: number))
            for replica in fields.dropFirst(3).compactMap({ Self.server($0, answering) })
            where !replicas.contains(replica) { replicas.append(replica) }
        }
    }

    private static func server(_ reply: RedisReply, _ answering: RedisAddress) -> RedisAddress? {
        guard let fields = reply.list, fields.count >= 2, let port = fields[1].integer, 1...65535 ~= port else {
            return nil
        }
        let host = fields[0].string ?? ""
        // "?": it was told to give its host's name and has none.
        guard host != "?" else { return nil }
        return RedisAddress(host: host.isEmpty ? answering.host : host, port: Int(port))
    }

    private static let malformed = RedisStartError(
        .unreachable, "CLUSTER SLOTS was not answered with hosts, ports and slots",
        fix: "check cluster-announce-ip, cluster-announce-hostname and, with TLS, tls-cluster")

    private static func refusal(_ message: String) -> RedisStartError {
        let text = "the server says: \(message.prefix(160))"
        if message.contains("cluster support disabled") {
            return .configuration("the server is no part of a Cluster (cluster-enabled no)", "use redis://host:6379")
        }
        switch RedisErrors.kind(message) {
        case "NOPERM": return RedisStartError(.refused, text, fix: "allow the user +cluster|slots")
        case "ERR":
            return RedisStartError(.configuration, text, fix: "name servers of a Redis Cluster, or use redis://")
        default: return .unreachable(text)
        }
    }
}
