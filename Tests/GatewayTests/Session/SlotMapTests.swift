import Testing

@testable import Gateway

@Suite("Values by slot")
struct SlotMapTests {
    /// Tells when it is gone.
    private final class Token: Sendable {
        let alive: Locked<Int>
        init(_ alive: Locked<Int>) {
            self.alive = alive
            alive.change { $0 += 1 }
        }
        deinit { alive.change { $0 -= 1 } }
    }

    @Test("a slot that is used again has another generation, and the others stay where they are")
    func generations() {
        var map = SlotMap<[Int]>()
        let slots = (0..<200).map { map.insert([$0]) }
        #expect(slots == Array(0..<200))
        let before = map.generation(70)
        #expect(map.remove(70) == [70])
        #expect(map.remove(70) == nil)
        #expect(!map.isUsed(70) && map.isUsed(69) && map.isUsed(71))
        #expect(map.count == 199)
        #expect(map.insert([1000]) == 70)
        #expect(map.generation(70) == before + 1)
        map[70].append(1001)
        #expect(map[70] == [1000, 1001])
        #expect(map[69] == [69] && map[71] == [71] && map[199] == [199])
        #expect(!map.isUsed(-1) && !map.isUsed(200))
    }

    @Test("an element is gone when it is removed, and all are when the map is")
    func lifetimes() {
        let alive = Locked(0)
        do {
            var map = SlotMap<Token>()
            for _ in 0..<130 { _ = map.insert(Token(alive)) }
            #expect(alive.value == 130)
            for slot in stride(from: Int32(0), to: 130, by: 2) { _ = map.remove(slot) }
            #expect(alive.value == 65)
            #expect(map.count == 65)
        }
        #expect(alive.value == 0)
    }
}
