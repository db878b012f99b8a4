import ApusTesting
import Chat
import Testing

@Suite("Unread messages are derived from cursors")
struct ConversationCountsTests {
    @Test("messages of others after the cursor count")
    func others() {
        #expect(ConversationCounts().unread == 0)
        #expect(ConversationCounts(messages: 5).unread == 5)
        #expect(ConversationCounts(messages: 5, own: 2).unread == 3)
        #expect(ConversationCounts(messages: 5, own: 5).unread == 0)
        #expect(ConversationCounts(messages: 5, own: 2, readN: 3, readOwn: 1).unread == 1)
        #expect(ConversationCounts(messages: 5, own: 2, readN: 5, readOwn: 2).unread == 0)
    }

    @Test("a side that lags behind the other never shows fewer than none")
    func lagging() {
        #expect(ConversationCounts(messages: 2, own: 0, readN: 5, readOwn: 1).unread == 0)
        #expect(ConversationCounts(messages: 0, own: 0, readN: 9, readOwn: 0).unread == 0)
    }

    @Test("they are what counting one by one gives")
    func counting() {
        let seed = SeededGenerator.seed()
        var random = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let isOwn = (0..<Int.random(in: 0...12, using: &random)).map { _ in Bool.random(using: &random) }
            for readN in 0...isOwn.count {
                let counts = ConversationCounts(
                    messages: Int64(isOwn.count), own: Int64(isOwn.filter { $0 }.count), readN: Int64(readN),
                    readOwn: Int64(isOwn[..<readN].filter { $0 }.count))
                #expect(counts.unread == isOwn[readN...].filter { !$0 }.count, "seed \(seed)")
            }
        }
    }
}
