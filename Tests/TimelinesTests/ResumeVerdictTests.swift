import Core
import Testing
import Timelines

@Suite("A position is judged")
struct ResumeVerdictTests {
    /// Events 1…10 were appended, 5…10 are kept; the event at n has the id "e<n>".
    private func judge(_ cursor: Cursor?, head: Int64 = 10, oldest: Int64 = 5) -> ResumeVerdict {
        ResumeVerdict.judge(
            cursor, head: TimelineHead(epoch: "now", seq: head, last: head == 0 ? "" : "e\(head)"), oldest: oldest
        ) { $0 >= oldest && $0 <= head ? "e\($0)" : nil }
    }

    private func at(_ seq: Int64, _ last: String? = nil, epoch: String = "now") -> Cursor {
        Cursor(epoch: epoch, seq: seq, last: last)
    }

    @Test("as fresh when there is none")
    func fresh() { #expect(judge(nil) == .fresh) }

    @Test("as resumed when everything after it is kept and its id fits", arguments: [5, 6, 9, 10] as [Int64])
    func resumed(seq: Int64) {
        #expect(judge(at(seq, "e\(seq)")) == .resumed)
        #expect(judge(at(seq)) == .resumed)
    }

    @Test("by its epoch before anything else", arguments: [-1, 0, 4, 10, 11, .max] as [Int64])
    func epoch(seq: Int64) {
        #expect(judge(at(seq, "e\(seq)", epoch: "then")) == .resync(.epochChanged))
        #expect(judge(at(seq, epoch: "")) == .resync(.epochChanged))
    }

    @Test("as ahead beyond the head", arguments: [11, 1000, .max] as [Int64])
    func ahead(seq: Int64) { #expect(judge(at(seq, "e\(seq)")) == .resync(.ahead)) }

    @Test("as trimmed when something after it is gone", arguments: [.min, -1, 0, 1, 3] as [Int64])
    func trimmed(seq: Int64) {
        #expect(judge(at(seq, "e\(seq)")) == .resync(.trimmed))
        #expect(judge(at(seq)) == .resync(.trimmed))
    }

    @Test(
        "right before the oldest: resumed by the number alone, but trimmed when an id is given that nobody can compare")
    func beforeTheOldest() {
        #expect(judge(at(4)) == .resumed)
        #expect(judge(at(4, "e4")) == .resync(.trimmed))
    }

    @Test("as a mismatch when another event stands there", arguments: [5, 7, 10] as [Int64])
    func mismatch(seq: Int64) {
        #expect(judge(at(seq, "other")) == .resync(.idMismatch))
        #expect(judge(at(seq, "")) == .resync(.idMismatch))
    }

    @Test("at 0 without regard to an id, since nothing stands there")
    func zero() {
        #expect(judge(at(0, "e0"), oldest: 1) == .resumed)
        #expect(judge(at(0), head: 0, oldest: 1) == .resumed)
        #expect(judge(at(1), head: 0, oldest: 1) == .resync(.ahead))
    }

    @Test("when no event is kept at all: only the head itself, without an id")
    func nothingKept() {
        #expect(judge(at(10), oldest: 11) == .resumed)
        #expect(judge(at(9), oldest: 11) == .resync(.trimmed))
    }
}

@Suite("A page of a timeline")
struct TimelinePageTests {
    private func page(head: Int64, _ seqs: [Int64], _ resync: ResyncReason? = nil) -> TimelinePage {
        TimelinePage(
            head: TimelineHead(epoch: "e", seq: head, last: "x"), resync: resync,
            entries: seqs.map { TimelineEntry(seq: $0, id: "\($0)", frame: []) })
    }

    @Test("has more when its last event is not the head")
    func more() {
        #expect(page(head: 5, [2, 3]).more)
        #expect(!page(head: 5, [4, 5]).more)
        #expect(!page(head: 5, []).more)
        #expect(!page(head: 5, [], .trimmed).more)
    }
}
