import ApusTesting
import Testing

@testable import Gateway

@Suite("The wheel of deadlines")
struct DeadlineWheelTests {
    @Test("a slot comes in its second, not before and once")
    func due() {
        var wheel = DeadlineWheel()
        #expect(wheel.add(7, at: 3) == 3)
        #expect(wheel.takeAll(upTo: 2).isEmpty)
        #expect(wheel.takeAll(upTo: 3) == [7])
        #expect(wheel.takeAll(upTo: 3).isEmpty)
        #expect(wheel.takeAll(upTo: 5000).isEmpty)
    }

    @Test("what is due already comes in the next second, what is beyond the wheel at its end")
    func clamped() {
        var wheel = DeadlineWheel()
        _ = wheel.takeAll(upTo: 10)
        #expect(wheel.add(1, at: 4) == 11)
        #expect(wheel.add(2, at: 1_000_000) == 11 + 1023)
        #expect(wheel.takeAll(upTo: 11) == [1])
        #expect(wheel.takeAll(upTo: 11 + 1022).isEmpty)
        #expect(wheel.takeAll(upTo: 11 + 1023) == [2])
    }

    @Test("after a pause longer than the wheel everything comes at once")
    func pause() {
        var wheel = DeadlineWheel()
        for slot in Int32(0)..<1000 { _ = wheel.add(slot, at: UInt32(slot)) }
        #expect(wheel.takeAll(upTo: 1_000_000).sorted() == Array(0..<1000))
        #expect(wheel.add(1, at: 0) == 1_000_001)
    }

    @Test("random additions and steps agree with a dictionary")
    func random() {
        var random = SeededGenerator(seed: SeededGenerator.seed())
        var (wheel, model, tick) = (DeadlineWheel(), [UInt32: [Int32]](), UInt32(0))
        _ = wheel.takeAll(upTo: 0)
        for slot in Int32(0)..<20_000 {
            let wanted = tick + UInt32.random(in: 1...1500, using: &random)
            let due = wheel.add(slot, at: wanted)
            #expect(due == min(wanted, tick + 1024))
            model[due, default: []].append(slot)
            guard slot % 3 == 0 else { continue }
            let step = tick + UInt32.random(in: 1...5, using: &random)
            let expected = (tick + 1...step).flatMap { model.removeValue(forKey: $0) ?? [] }
            #expect(wheel.takeAll(upTo: step) == expected)
            tick = step
        }
    }
}
