import ApusTesting
import Core
import Testing
import Wire

@Suite("Two nodes on a Redis Cluster", .timeLimit(.minutes(3)))
struct ClusterFleetTests {
    @Test("users of every shard get their events on both nodes; a lost shard concerns its own users, until it is back")
    func shards() async throws {
        let cluster = try await RedisCluster.start()
        defer { cluster.stop() }
        try await Fleet.with(environment: ["APUS_REDIS_URL": cluster.url()]) { fleet in
            let users = try await (0..<3).asyncMap { try await Self.user(on: $0, cluster) }
            var devices: [[Device]] = []
            for user in users {
                devices.append(try await fleet.nodes.asyncMap { try await fleet.device(user, on: $0) })
            }
            for index in 1...10 {
                for user in users { try await fleet.publish(user, id: "\(user)-\(index)") }
            }
            for device in devices.joined() {
                try await device.wait(for: 10)
                #expect(device.seqs == Array(1...10))
            }
            // Not the shard with the leases: that one concerns the nodes themselves.
            let leases = try await Self.shard(of: "apus:{n}:leases", cluster)
            let lost = (leases + 1) % 3
            cluster.masters[lost].killNow()
            for user in users { try await fleet.publish(user, id: "\(user)-11") }
            for (shard, devices) in devices.enumerated() where shard != lost {
                for device in devices { try await device.wait(for: 11) }
            }
            #expect(devices[lost].allSatisfy { $0.seqs.count == 10 && !$0.isClosed })
            try await cluster.masters[lost].start()
            for device in devices[lost] {
                try await device.wait(for: 11, within: 60)
                #expect(device.seqs == Array(1...11) && device.ids.last == "\(users[lost])-11")
            }
        }
    }

    private static func shard(of key: String, _ cluster: RedisCluster) async throws -> Int {
        let slot = try await cluster.masters[0].command("CLUSTER", "KEYSLOT", key)
        return try #require(Int(slot)) * cluster.masters.count / 16_384
    }

    private static func user(on shard: Int, _ cluster: RedisCluster) async throws -> String {
        for number in 0..<100 {
            let user = "user\(number)"
            if try await self.shard(of: "apus:{u:\(user)}:m", cluster) == shard { return user }
        }
        throw TestFailure("no user on shard \(shard)")
    }
}

extension Sequence {
    fileprivate func asyncMap<Value>(_ body: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await body(element)) }
        return values
    }
}
