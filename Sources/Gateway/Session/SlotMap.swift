/// Values that stay where they are, by slot, with a generation for each slot.
///
/// They stand in blocks of a fixed size: an array that doubles would hold room for as many again as it has.
struct SlotMap<Element> {
    private static var blockCount: Int { 64 }

    private struct Place {
        var element: Element?
        var generation: UInt32 = 0
    }

    private var blocks: ContiguousArray<ContiguousArray<Place>> = []
    private var free: ContiguousArray<Int32> = []
    private var places = 0

    var count: Int { places - free.count }
    /// Every slot that exists, used or not.
    var slots: Range<Int32> { 0..<Int32(places) }

    func isUsed(_ slot: Int32) -> Bool {
        slot >= 0 && slot < places && blocks[Int(slot) / Self.blockCount][Int(slot) % Self.blockCount].element != nil
    }

    func generation(_ slot: Int32) -> UInt32 {
        blocks[Int(slot) / Self.blockCount][Int(slot) % Self.blockCount].generation
    }

    subscript(slot: Int32) -> Element {
        get {
            guard let element = blocks[Int(slot) / Self.blockCount][Int(slot) % Self.blockCount].element else {
                preconditionFailure("slot \(slot) is empty")
            }
            return element
        }
        _modify {
            let (block, at) = (Int(slot) / Self.blockCount, Int(slot) % Self.blockCount)
            precondition(blocks[block][at].element != nil, "slot \(slot) is empty")
            yield &blocks[block][at].element!
        }
    }

    mutating func insert(_ element: Element) -> Int32 {
        if let slot = free.popLast() {
            blocks[Int(slot) / Self.blockCount][Int(slot) % Self.blockCount].element = element
            return slot
        }
        if places % Self.blockCount == 0 {
            var block = ContiguousArray<Place>()
            block.reserveCapacity(Self.blockCount)
            blocks.append(block)
        }
        blocks[places / Self.blockCount].append(Place(element: element))
        places += 1
        return Int32(places - 1)
    }

    mutating func remove(_ slot: Int32) -> Element? {
        guard isUsed(slot) else { return nil }
        let (block, at) = (Int(slot) / Self.blockCount, Int(slot) % Self.blockCount)
        let element = blocks[block][at].element
        blocks[block][at].element = nil
        blocks[block][at].generation &+= 1
        free.append(slot)
        return element
    }
}
