import ApusTesting
import Bus
import Core
import Foundation
import Wire

/// What clients and producers do.
extension Fault {
    /// Everybody is cut at once, again and again, and resumes.
    static let storm = Fault(name: "every client is cut at once, 5 times", promises: "G5, G6, G13", runs: 2) { scene in
        let devices = scene.crew.devices
        for _ in 0..<5 {
            let before = devices.map(\.sessionCount)
            for device in devices { device.cut() }
            try await scene.pause(200...800)
            try await eventually("everybody is back", within: 60) { Self.areBack(devices, before) }
        }
    }

    /// Whether all have a new session. One that has not noticed yet that it was cut still says that it is connected.
    private static func areBack(_ devices: [Device], _ sessionsBefore: [Int]) -> Bool {
        zip(devices, sessionsBefore).allSatisfy { device, before in device.isLive && device.sessionCount > before }
    }

    /// Everybody is away for a while, and resumes at the same moment.
    static let resumeTogether = Fault(name: "every client is away for 5 s, and back at once", promises: "G5, G6") {
        scene in
        let devices = Array(scene.crew.devices.dropFirst(10))
        let before = devices.map(\.sessionCount)
        for device in devices { device.goAway() }
        try await Task.sleep(for: .seconds(5))
        for device in devices { device.comeBack() }
        try await eventually("everybody is back", within: 60) { Self.areBack(devices, before) }
    }

    /// Sessions that take nothing while much comes: they are told `behind`, and pull when they read again. The kernel takes
    /// some 4 MB for each before the node has to keep anything.
    static let slowReaders = Fault(
        name: "two sessions do not read for 12 s, with 600 events of 8 KiB for each", promises: "G9",
        site: Site.Options(environment: ["APUS_PING_SECONDS": "25"])
    ) { scene in
        let slow = Array(scene.crew.slowReaders.prefix(2))
        for device in slow { await device.setStalled(true) }
        for number in 0..<600 {
            for device in slow {
                scene.crew.producer.publish(
                    "big\(number)-\(device.options.user)", to: device.options.user, padding: 8192)
            }
            try await scene.pause(8...12)
        }
        try await Task.sleep(for: .seconds(4))
        for device in slow { await device.setStalled(false) }
        try await eventually("somebody is told behind") { slow.contains { $0.timesBehind > 0 } }
        scene.site.notes.add("\(slow.count) sessions, told behind: \(slow.reduce(0) { $0 + $1.timesBehind })")
    }

    /// Strangers send what no client would, to every node.
    static let malformed = Fault(name: "malformed frames and requests for 6 s", promises: "G14, G15") { scene in
        let end = ContinuousClock.now + .seconds(6)
        var sent = 0
        while ContinuousClock.now < end {
            for port in scene.site.ports {
                let client = try? await ScriptedClient.connect(port: port, within: 5)
                for _ in 0..<5 { client?.post(raw: Self.garbage(&scene.random)) }
                sent += 5
                try await scene.pause(1...10)
                client?.drop()
            }
        }
        for node in scene.site.nodes where !node.server.isRunning {
            throw TestFailure("\(node.server.name) ended: \(node.server.output.suffix(2000))")
        }
        scene.site.notes.add("\(sent) pieces of garbage")
    }

    private static func garbage(_ random: inout SeededGenerator) -> [UInt8] {
        switch Int.random(in: 0..<6, using: &random) {
        case 0: (0..<Int.random(in: 1...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        case 1: [0x81, 0x02, 0x7B, 0x7D]  // not masked
        case 2: [0xF1, 0x80, 0, 0, 0, 0]  // reserved bits
        case 3: [0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0]  // longer than all memory
        case 4:
            Array(FrameEncoder.client(.text, Array(#"{"id":1,"op":"hello","token":"x.y.z"}"#.utf8)).readableBytesView)
        default:
            Array(
                FrameEncoder.client(
                    .text, Array(String(repeating: "[", count: Int.random(in: 1...5000, using: &random)).utf8)
                )
                .readableBytesView)
        }
    }

    /// What cannot be used stands among what can.
    static let poison = Fault(name: "200 poison events among good ones", promises: "G4") { scene in
        let large = Array(repeating: UInt8(ascii: "x"), count: 900_000)
        for index in 0..<200 {
            let payload: [UInt8] =
                switch index % 5 {
                case 0: Array("not json".utf8)
                case 1: Array(#"{"to":"a b","type":"x"}"#.utf8)
                case 2: Array(#"{"type":"x"}"#.utf8)
                case 3: [0xFF, 0xFE, 0x00]
                default: index % 25 == 4 ? large : Array("[]".utf8)
                }
            let message = BusMessage(subject: "apus.in.notify", payload: payload)
            let site = scene.site
            try await eventually("JetStream takes poison \(index)") {
                do {
                    try await answer { (done: @escaping Completion<Void>) in
                        site.backend.publishDurable(message, dedupID: "poison-\(index)", done)
                    }
                    return true
                } catch { return false }
            }
            try await scene.pause(5...15)
        }
        let site = scene.site
        try await eventually("each is a dead letter, once", within: 60) {
            try await site.jetStream("STREAM.INFO.APUS_DEAD")["state"]?.object?["messages"]?.integer == 200
        }
    }

    /// A producer that says everything twice, the second time after JetStream's own window for duplicates.
    static let producerRetries = Fault(
        name: "producers publish every event again", promises: "G4", percentRepeated: 100
    ) { _ in try await Task.sleep(for: .seconds(8)) }
}
