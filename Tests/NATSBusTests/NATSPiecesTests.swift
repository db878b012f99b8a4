import Bus
import Testing

@testable import NATSBus

@Suite("The parts of the NATS bus that need no server")
struct NATSPiecesTests {
    @Test("APUS_NATS_URL is read in all its forms")
    func urls() throws {
        let one = try NATSConfiguration(urls: "nats://127.0.0.1:4333")
        #expect(one.servers == [.init(host: "127.0.0.1", port: 4333)] && one.credentials == .none && !one.usesTLS)
        let many = try NATSConfiguration(urls: "tls://me:a%40b%3A@n1, nats://[::1]:5, n3:6/")
        #expect(many.servers.map(\.host) == ["n1", "[::1]", "n3"] && many.servers.map(\.port) == [4222, 5, 6])
        #expect(many.credentials == .password(user: "me", password: "a@b:") && many.usesTLS)
        #expect(many.redacted == "APUS_NATS_URL=tls://***@n1:4222,tls://***@[::1]:5,tls://***@n3:6")
        #expect(try NATSConfiguration(urls: "nats://tok@h").credentials == .token("tok"))
    }

    @Test(
        "A wrong APUS_NATS_URL is refused without showing its secrets",
        arguments: [
            "", ",", "http://h", "nats://", "nats://h:0", "nats://h:x", "nats://me:pw@", "nats://me:pw%zz@h",
            "nats://me:@h", "nats://me:pw@a,nats://you:pw@b", "nats://h h", "redis://me:pw@h",
        ])
    func badURLs(_ urls: String) throws {
        let error = try #require(throws: NATSBusError.self) { _ = try NATSConfiguration(urls: urls) }
        #expect(error.kind == .configuration && error.message.hasPrefix("APUS_NATS_URL="))
        #expect(!error.message.contains("pw"))
    }

    @Test("An acknowledgement's subject is read in both forms")
    func ackSubjects() throws {
        let first = try #require(AckSubject("$JS.ACK.APUS_IN.notifier.3.77.12.1700000000000000000.5"))
        #expect(first.stream == "APUS_IN" && first.consumer == "notifier")
        #expect(first.deliveries == 3 && first.streamSequence == 77)
        #expect(first.storedAtNanoseconds == 1_700_000_000_000_000_000)
        let second = try #require(AckSubject("$JS.ACK.hub.AbC123.APUS_IN.notifier.1.8.9.1700000000000000000.0.rnd"))
        #expect(second.stream == "APUS_IN" && second.deliveries == 1 && second.streamSequence == 8)
        #expect(second.storedAtNanoseconds == 1_700_000_000_000_000_000)
        let noRandom = try #require(AckSubject("$JS.ACK._.AbC123.APUS_IN.notifier.1.8.9.1700000000000000000.0"))
        #expect(noRandom == second)
        for bad in [
            "", "$JS.ACK", "$JS.ACK.s.c.0.1.1.1.1", "$JS.ACK.s.c.x.1.1.1.1", "$JS.ACK.s.c.1.1.1.x.1",
            "$JS.ACK.s.c.1.1.1.1.1.1", "a.b.c",
        ] {
            #expect(AckSubject(bad) == nil)
        }
    }

    @Test("Subjects with wildcards are for subscribing only")
    func subjects() {
        for subject in ["a", "apus.in.notify.u@x=y~z", "$JS.API.INFO", "_INBOX.x.1"] {
            #expect(SubjectRules.canPublish(subject) && SubjectRules.canSubscribe(subject))
        }
        for subject in ["*", ">", "a.*", "*.a", "a.*.b", "a.>"] {
            #expect(!SubjectRules.canPublish(subject) && SubjectRules.canSubscribe(subject))
        }
        for subject in ["", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\u{0}b", "a.>.b", "a.*b", "a.b*", ">a", "**"] {
            #expect(!SubjectRules.canPublish(subject) && !SubjectRules.canSubscribe(subject), "\(subject)")
        }
    }

    @Test("A handler costs the same at its last call as at its first")
    func manyDeliveries() {
        // A closure in a Mutex by itself gained a layer per call: 20,000 messages took seconds, and more overflowed the stack.
        let subscription = Subscription("a") { _ in }
        let message = BusMessage(subject: "a", payload: [])
        let start = ContinuousClock.now
        for _ in 0..<200_000 { subscription.deliver(message) }
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test("What stands in the library's JSON is escaped")
    func json() {
        #expect(NATSOptions.jsonContent(#"a"b\c"#) == #"a\"b\\c"#)
    }
}

@Suite("The pull machine")
struct PullMachineTests {
    private let second: UInt64 = 1_000_000_000

    @Test("It asks for all that may be handed out, and again when the last one came")
    func whole() {
        var machine = PullMachine(inFlightMax: 3)
        #expect(machine.linked(now: 0) == .pull(id: 1, batch: 3))
        #expect(machine.linked(now: 0) == .nothing)
        #expect(machine.received(now: 0) == (.handOut, .nothing))
        #expect(machine.settled(now: 0) == .nothing)
        #expect(machine.received(now: 0) == (.handOut, .nothing))
        #expect(machine.received(now: 0) == (.handOut, .pull(id: 2, batch: 1)))
        #expect(machine.unsettled == 2)
    }

    @Test("With everything unsettled it waits; it does not ask for each place that becomes free")
    func full() {
        var machine = PullMachine(inFlightMax: 16)
        _ = machine.linked(now: 0)
        for _ in 0..<16 { #expect(machine.received(now: 0) == (.handOut, .nothing)) }
        #expect(machine.settled(now: 0) == .nothing)
        #expect(machine.settled(now: 0) == .pull(id: 2, batch: 2))
    }

    @Test("More than may be handed out is refused")
    func refuses() {
        var machine = PullMachine(inFlightMax: 1)
        _ = machine.linked(now: 0)
        #expect(machine.received(now: 0).0 == .handOut)
        #expect(machine.received(now: 0).0 == .refuse)
        #expect(machine.unsettled == 1)
    }

    @Test("An expired request is made again at once; a refused one after a look at the consumer")
    func ended() {
        var machine = PullMachine(inFlightMax: 4)
        _ = machine.linked(now: 0)
        #expect(machine.status(408, pull: 1, now: 0) == .pull(id: 2, batch: 4))
        #expect(machine.status(408, pull: 1, now: 0) == .nothing)
        #expect(machine.status(409, pull: 2, now: 0) == .repair(afterMilliseconds: 50))
        #expect(machine.tick(now: 60 * second) == .nothing)
        #expect(machine.repaired(false, now: 0) == .repair(afterMilliseconds: 100))
        #expect(machine.repaired(true, now: 0) == .pull(id: 3, batch: 4))
        #expect(machine.status(503, pull: 3, now: 0) == .repair(afterMilliseconds: 200))
    }

    @Test("A request that gives no sign of life is given up; heartbeats are signs")
    func silence() {
        var machine = PullMachine(inFlightMax: 4)
        _ = machine.linked(now: 0)
        #expect(machine.tick(now: 4 * second) == .nothing)
        #expect(machine.status(100, pull: 1, now: 4 * second) == .nothing)
        #expect(machine.tick(now: 8 * second) == .nothing)
        #expect(machine.tick(now: 10 * second) == .repair(afterMilliseconds: 50))
    }

    @Test("Nothing is asked without a connection or after the stop; the next connection asks anew")
    func unlinked() {
        var machine = PullMachine(inFlightMax: 4)
        _ = machine.linked(now: 0)
        _ = machine.received(now: 0)
        machine.unlinked()
        #expect(machine.settled(now: 0) == .nothing)
        #expect(machine.tick(now: 90 * second) == .nothing)
        #expect(machine.linked(now: 0) == .pull(id: 2, batch: 4))
        machine.stop()
        #expect(machine.tick(now: 90 * second) == .nothing)
        #expect(machine.received(now: 0).0 == .refuse)
    }
}
