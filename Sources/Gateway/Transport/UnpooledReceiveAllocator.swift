import NIOCore

/// Receive buffers that no idle connection keeps.
///
/// NIO stores the first buffer of a connection for all its reads. That one has 16 bytes here; from then on this allocator
/// says that it may grow and does not say to what, so that NIO allocates a buffer for each read and keeps none. An idle
/// connection is 0.5 KB smaller for it; a read costs one allocation more, and the first request of a connection one more
/// read (docs/performance.md).
struct UnpooledReceiveAllocator: RecvByteBufferAllocator {
    /// Reads of a request take this much; large messages take several.
    static let capacity = 1024
    private static let firstCapacity = 16

    private var isFirst = true

    func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        allocator.buffer(capacity: isFirst ? Self.firstCapacity : Self.capacity)
    }

    mutating func record(actualReadBytes: Int) -> Bool {
        isFirst = false
        return true
    }
}
