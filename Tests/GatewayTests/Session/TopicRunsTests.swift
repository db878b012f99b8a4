import Core
import NIOCore
import Testing

@testable import Gateway

@Suite("What waits for a shard is taken together")
struct TopicRunsTests {
    private func topic(_ text: String) throws -> Topic { try #require(Topic(text)) }

    @Test("Events of a topic become one run in their order; topics stand by their first event")
    func joined() throws {
        var runs = TopicRuns()
        for (name, text) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")] {
            runs.add(try topic(name), ByteBuffer(string: text))
        }
        let taken = runs.takeAll()
        #expect(taken.map(\.topic.text) == ["a", "b"])
        #expect(taken.map { String(buffer: $0.frames) } == ["134", "2"])
        #expect(taken.map(\.count) == [3, 1])
        #expect(runs.isEmpty)
    }

    @Test("A run ends before it is larger than 64 KiB, and the topic goes on in the next")
    func bounded() throws {
        var runs = TopicRuns()
        let frame = ByteBuffer(repeating: 1, count: 30_000)
        for _ in 0..<5 { runs.add(try topic("a"), frame) }
        let taken = runs.takeAll()
        #expect(taken.map(\.count) == [2, 2, 1])
        #expect(taken.allSatisfy { $0.frames.readableBytes <= Limits.topicRunBytesMax })
    }

    @Test("Joining does not change the frame that others hold")
    func sharedFrame() throws {
        var runs = TopicRuns()
        let frame = ByteBuffer(string: "x")
        runs.add(try topic("a"), frame)
        runs.add(try topic("a"), frame)
        #expect(String(buffer: frame) == "x")
    }

    @Test("The queue asks for the loop once, and again only after it was emptied")
    func asksOnce() throws {
        let queue = DeliveryQueue()
        let event = Delivery.liveAll(frame: ByteBuffer())
        #expect(queue.add([event]))
        #expect(!queue.add([event]))
        var taken: [Delivery] = []
        queue.takeAll(into: &taken)
        #expect(taken.count == 2)
        taken = []
        queue.takeAll(into: &taken)
        #expect(taken.isEmpty)
        #expect(queue.add([event]))
    }
}
