/// Values that stay where they are, by slot, with a generation for each slot.
///
/// They stand in blocks of a fixed size: an array that doubles would hold room for as many again as it has. A value is
/// reached by its address, not through an accessor that yields: where such a coroutine is not inlined, as in a debug
/// build, its frame is an allocation, two or three for every event that is delivered.
struct SlotMap<Element>: ~Copyable {
    private static var blockCount: Int { 64 }

    private struct Block {
        // SAFETY: both have `blockCount` places, made with the block and freed by the map's deinit; nobody else has them,
        // since the map is not copied. A place of `elements` is initialized exactly while its bit of `used` is set.
        let elements: UnsafeMutablePointer<Element>
        let generations: UnsafeMutablePointer<UInt32>
        var used: UInt64 = 0

        init() {
            elements = .allocate(capacity: blockCount)
            generations = .allocate(capacity: blockCount)
            generations.initialize(repeating: 0, count: blockCount)
        }
    }

    private var blocks: ContiguousArray<Block> = []
    private var free: ContiguousArray<Int32> = []
    private var places = 0

    init() {}

    deinit {
        for block in blocks {
            for at in 0..<Self.blockCount where block.used >> UInt64(at) & 1 == 1 {
                (block.elements + at).deinitialize(count: 1)
            }
            block.elements.deallocate()
            block.generations.deallocate()
        }
    }

    var count: Int { places - free.count }
    /// Every slot that exists, used or not.
    var slots: Range<Int32> { 0..<Int32(places) }

    func isUsed(_ slot: Int32) -> Bool {
        slot >= 0 && slot < places && blocks[Int(slot) / Self.blockCount].used >> UInt64(slot % 64) & 1 == 1
    }

    func generation(_ slot: Int32) -> UInt32 {
        precondition(slots.contains(slot), "there is no slot \(slot)")
        return blocks[Int(slot) / Self.blockCount].generations[Int(slot) % Self.blockCount]
    }

    subscript(slot: Int32) -> Element {
        unsafeAddress { UnsafePointer(address(slot)) }
        unsafeMutableAddress { address(slot) }
    }

    /// Where the element of a slot stands. - Precondition: the slot is used.
    private func address(_ slot: Int32) -> UnsafeMutablePointer<Element> {
        precondition(isUsed(slot), "slot \(slot) is empty")
        return blocks[Int(slot) / Self.blockCount].elements + Int(slot) % Self.blockCount
    }

    mutating func insert(_ element: Element) -> Int32 {
        let slot: Int32
        if let last = free.popLast() {
            slot = last
        } else {
            if places % Self.blockCount == 0 { blocks.append(Block()) }
            slot = Int32(places)
            places += 1
        }
        let (block, at) = (Int(slot) / Self.blockCount, Int(slot) % Self.blockCount)
        (blocks[block].elements + at).initialize(to: element)
        blocks[block].used |= 1 << UInt64(at)
        return slot
    }

    mutating func remove(_ slot: Int32) -> Element? {
        guard isUsed(slot) else { return nil }
        let (block, at) = (Int(slot) / Self.blockCount, Int(slot) % Self.blockCount)
        blocks[block].used &= ~(1 << UInt64(at))
        blocks[block].generations[at] &+= 1
        free.append(slot)
        return (blocks[block].elements + at).move()
    }
}
