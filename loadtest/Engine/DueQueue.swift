/// What is due when: a binary heap of session and time. A session that was put in twice comes out twice.
struct DueQueue {
    private var heap: [(due: UInt64, session: Int32)] = []

    var first: UInt64? { heap.first?.due }
    var count: Int { heap.count }

    mutating func add(_ session: Int32, due: UInt64) {
        heap.append((due, session))
        var at = heap.count - 1
        while at > 0, heap[(at - 1) / 2].due > heap[at].due {
            heap.swapAt(at, (at - 1) / 2)
            at = (at - 1) / 2
        }
    }

    /// Takes the earliest that is due by `now`; nil when there is none.
    mutating func next(by now: UInt64) -> Int32? {
        guard let first = heap.first, first.due <= now else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap[0] = last
            sink()
        }
        return first.session
    }

    private mutating func sink() {
        var at = 0
        while true {
            var least = at
            for child in [2 * at + 1, 2 * at + 2] where child < heap.count && heap[child].due < heap[least].due {
                least = child
            }
            if least == at { return }
            heap.swapAt(at, least)
            at = least
        }
    }
}
