import ApusTesting
import Core
import Foundation
import Wire

/// The people of a run: who they are, on which devices, and who talks with whom.
final class Crew: Sendable {
    struct Plan: Sendable {
        var users = 60
        /// Messages and notifications per second, all together.
        var messages = 60.0
        var notifications = 30.0
        /// So many of a hundred messages are given up when no answer comes, and so many are sent again after their ok.
        var percentGivenUp = 20
        var percentRepeated = 5
    }

    struct Talk: Sendable {
        var id: String
        var members: [Int]
    }

    let site: Site
    let plan: Plan
    let users: [String]
    /// One for each user that talks and listens.
    let talkers: [Device]
    /// Second devices, of every other user.
    let listeners: [Device]
    let talks: [Talk]
    /// Listeners with small buffers: a tenth of the users.
    var slowReaders: [Device] { listeners.filter { $0.options.receiveBufferBytes != nil } }
    /// Users besides, some on each node, who do not come back when their node dies.
    let leavers: [Device]
    /// One for each node. They look at some of the users, and at those who leave.
    let observers: [PresenceObserver]
    let producer: Producer
    var devices: [Device] { talkers + listeners }

    private init(
        _ site: Site, _ plan: Plan, users: [String], talkers: [Device], listeners: [Device], leavers: [Device],
        talks: [Talk]
    ) throws {
        self.site = site
        self.plan = plan
        self.users = users
        self.talkers = talkers
        self.listeners = listeners
        self.leavers = leavers
        self.talks = talks
        producer = Producer(site)
        let looked = stride(from: 0, to: users.count, by: 5).map { users[$0] } + leavers.map(\.options.user)
        observers = try site.members.map { member in
            let node = member.process
            return PresenceObserver(
                node, users: looked, token: try site.token("observer-\(node.server.name)"), clock: site.clock)
        }
    }

    static func gather(_ plan: Plan, at site: Site, seed: UInt64) async throws -> Crew {
        let users = (0..<plan.users).map { "u\($0 < 10 ? "0" : "")\($0)" }
        let device = { (index: Int, kind: String) throws in
            Device(
                Device.Options(
                    user: users[index], name: "\(users[index])/\(kind)", token: try site.token(users[index]),
                    seed: seed &* 1000 &+ UInt64(index * 2 + (kind == "ear" ? 1 : 0)),
                    pingMilliseconds: kind == "ear" ? 4000 : 1000,
                    receiveBufferBytes: kind == "ear" && index % 10 == 0 ? 4096 : nil),
                clock: site.clock, ports: { site.ports })
        }
        var talks: [Talk] = []
        for index in users.indices {
            for step in [1, 7] {
                let members = [index, (index + step) % users.count].sorted()
                talks.append(Talk(id: "d:\(users[members[0]]):\(users[members[1]])", members: members))
            }
        }
        for first in [0, users.count / 2] {
            let members = Array(first..<min(first + 6, users.count))
            talks.append(Talk(id: try await group(members.map { users[$0] }, at: site), members: members))
        }
        return try Crew(
            site, plan, users: users, talkers: try users.indices.map { try device($0, "talk") },
            listeners: try stride(from: 0, to: users.count, by: 2).map { try device($0, "ear") },
            leavers: try (0..<6).map { try leaver($0, at: site, seed: seed) }, talks: talks)
    }

    private static func leaver(_ index: Int, at site: Site, seed: UInt64) throws -> Device {
        let node = site.members[index % site.members.count].process
        let user = "leaver\(index)"
        return Device(
            Device.Options(
                user: user, name: user, token: try site.token(user), seed: seed &* 1000 &+ UInt64(900 + index),
                pingMilliseconds: 1000, staysAway: true),
            clock: site.clock, ports: { [node.port] })
    }

    private static func group(_ members: [String], at site: Site) async throws -> String {
        let client = try await ScriptedClient.connect(port: site.nodes[0].port)
        defer { client.drop() }
        _ = try await client.hello(token: try site.token(members[0]))
        let others = members.dropFirst().map { "\"\($0)\"" }.joined(separator: ",")
        let reply = try await client.request(
            #"{"id":9,"op":"group.create","title":"group","members":[\#(others)]}"#, id: 9)
        guard let id = reply["ok"]?.object?["conv"]?.string else { throw TestFailure("no group: \(reply)") }
        return id
    }

    /// What everybody did and heard, without what stands in the store.
    var history: History {
        History(
            messages: talkers.flatMap(\.messages), notifications: producer.notifications,
            devices: (devices + leavers).map(\.record), presence: observers.flatMap(\.samples),
            outages: site.outages.all)
    }

    /// Looks at who is online, until the task is cancelled.
    func observe() async {
        await withTaskGroup { group in
            for observer in observers { group.addTask { await observer.run() } }
        }
    }

    // MARK: Load

    /// Talks and publishes at fixed rates, open loop, until the task is cancelled.
    func load(seed: UInt64) async {
        await withTaskGroup { group in
            group.addTask { [self] in
                var random = SeededGenerator(seed: seed &+ 11)
                await pace(plan.messages) { say($0, &random) }
            }
            group.addTask { [self] in
                var random = SeededGenerator(seed: seed &+ 12)
                await pace(plan.notifications) { number in
                    producer.publish(
                        "e\(number)", to: users.randomElement(using: &random) ?? "",
                        isRepeated: Int.random(in: 0..<100, using: &random) < plan.percentRepeated)
                }
            }
        }
    }

    /// Calls `body` at intended times; when it is late, it makes up for it.
    private func pace(_ perSecond: Double, _ body: (Int) -> Void) async {
        let start = ContinuousClock.now
        var number = 0
        while !Task.isCancelled {
            number += 1
            let intended = start + .seconds(Double(number) / perSecond)
            if intended > .now { try? await Task.sleep(until: intended) }
            if Task.isCancelled { return }
            body(number)
        }
    }

    private func say(_ number: Int, _ random: inout SeededGenerator) {
        guard let talk = talks.randomElement(using: &random), let member = talk.members.randomElement(using: &random)
        else { return }
        talkers[member].say(
            "m\(number)", in: talk.id, members: talk.members.map { users[$0] },
            isPersistent: Int.random(in: 0..<100, using: &random) >= plan.percentGivenUp,
            isRepeated: Int.random(in: 0..<100, using: &random) < plan.percentRepeated)
    }

    /// A last message in every conversation, so that what a lost tail left open is found.
    func sayGoodbye() {
        for (index, talk) in talks.enumerated() {
            talkers[talk.members[0]].say(
                "bye\(index)", in: talk.id, members: talk.members.map { users[$0] }, isPersistent: true,
                isRepeated: false)
        }
    }
}
