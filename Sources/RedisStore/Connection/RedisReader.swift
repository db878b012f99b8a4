import CHiredis
import NIOCore

/// hiredis's incremental parser: bytes in, replies out.
///
/// Not Sendable: it belongs to one channel handler. Replies nested deeper than 7 are a protocol error of hiredis 0.14;
/// the scripts answer flat lists.
final class RedisReader {
    /// What the parser says of bytes that are not RESP. After it the connection is of no use.
    struct ProtocolError: Error, CustomStringConvertible {
        let description: String
    }

    // SAFETY: made by redisReaderCreate, used only through this object and freed once, in deinit.
    private let reader: UnsafeMutablePointer<redisReader>

    init() {
        guard let reader = redisReaderCreate() else { preconditionFailure("out of memory") }
        self.reader = reader
    }

    deinit { redisReaderFree(reader) }

    func feed(_ buffer: ByteBuffer) throws(ProtocolError) {
        // SAFETY: hiredis copies `count` bytes out of the pointer before the call returns.
        let status = buffer.withUnsafeReadableBytes { bytes in
            bytes.isEmpty
                ? REDIS_OK
                : redisReaderFeed(reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard status == REDIS_OK else { throw failure }
    }

    /// The next whole reply; nil when more bytes are needed.
    func next() throws(ProtocolError) -> RedisReply? {
        var reply: UnsafeMutableRawPointer?
        guard redisReaderGetReply(reader, &reply) == REDIS_OK else { throw failure }
        guard let reply else { return nil }
        defer { freeReplyObject(reply) }
        // SAFETY: with the default functions every object is a redisReply, alive until freeReplyObject.
        return Self.convert(reply.assumingMemoryBound(to: redisReply.self).pointee)
    }

    private var failure: ProtocolError {
        // SAFETY: errstr is a NUL-terminated array inside the reader.
        let text = withUnsafePointer(to: &reader.pointee.errstr) {
            $0.withMemoryRebound(to: CChar.self, capacity: 128) { String(cString: $0) }
        }
        return ProtocolError(description: "not the Redis protocol: \(text)")
    }

    private static func convert(_ reply: redisReply) -> RedisReply {
        switch reply.type {
        case REDIS_REPLY_INTEGER: return .integer(reply.integer)
        case REDIS_REPLY_NIL: return .null
        case REDIS_REPLY_ERROR: return .error(String(decoding: bytes(of: reply), as: UTF8.self))
        case REDIS_REPLY_ARRAY:
            guard let elements = reply.element else { return .list([]) }
            return .list((0..<reply.elements).map { elements[$0].map { convert($0.pointee) } ?? .null })
        default: return .text(Array(bytes(of: reply)))
        }
    }

    private static func bytes(of reply: redisReply) -> UnsafeRawBufferPointer {
        // SAFETY: `str` holds `len` bytes; the caller copies them before the reply is freed.
        UnsafeRawBufferPointer(start: reply.str, count: reply.len)
    }
}
