import Bus
import CNats

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Between `natsMsg` and `BusMessage`.
enum CMessage {
    /// Copies a message out of the library's memory; the caller destroys `message`.
    static func read(_ message: OpaquePointer) -> BusMessage {
        // SAFETY: the strings and bytes belong to `message`, which lives until the caller destroys it, after this copy.
        let subject = natsMsg_GetSubject(message).map { String(cString: $0) } ?? ""
        let reply = natsMsg_GetReply(message).map { String(cString: $0) }
        let length = Int(natsMsg_GetDataLength(message))
        var payload: [UInt8] = []
        if length > 0, let data = natsMsg_GetData(message) {
            payload = [UInt8](UnsafeRawBufferPointer(start: data, count: length))
        }
        return BusMessage(subject: subject, headers: headers(message), payload: payload, replyTo: reply)
    }

    /// The library keeps headers in a hash: values of one name are in order, names are not.
    private static func headers(_ message: OpaquePointer) -> [(name: String, value: String)] {
        var keys: UnsafeMutablePointer<UnsafePointer<CChar>?>?
        var count: Int32 = 0
        guard natsMsgHeader_Keys(message, &keys, &count) == NATS_OK, let keys else { return [] }
        // SAFETY: the array is ours to free; its strings belong to `message`.
        defer { free(keys) }
        var found: [(name: String, value: String)] = []
        for i in 0..<Int(count) {
            guard let key = keys[i] else { continue }
            var values: UnsafeMutablePointer<UnsafePointer<CChar>?>?
            var valueCount: Int32 = 0
            guard natsMsgHeader_Values(message, key, &values, &valueCount) == NATS_OK, let values else { continue }
            // SAFETY: as above.
            defer { free(values) }
            let name = String(cString: key)
            for j in 0..<Int(valueCount) {
                if let value = values[j] { found.append((name, String(cString: value))) }
            }
        }
        return found
    }

    /// Publishes `message`; the library copies what it needs before it returns.
    static func publish(_ message: BusMessage, on connection: OpaquePointer) -> natsStatus {
        message.payload.withUnsafeBytes { bytes in
            // SAFETY: `bytes` outlives the calls, which copy from it.
            let data = bytes.baseAddress
            let length = Int32(bytes.count)
            guard !message.headers.isEmpty else {
                guard let reply = message.replyTo else {
                    return natsConnection_Publish(connection, message.subject, data, length)
                }
                return natsConnection_PublishRequest(connection, message.subject, reply, data, length)
            }
            var made: OpaquePointer?
            let chars = data?.assumingMemoryBound(to: CChar.self)
            var status = natsMsg_Create(&made, message.subject, message.replyTo, chars, length)
            guard status == NATS_OK, let made else { return status }
            defer { natsMsg_Destroy(made) }
            for header in message.headers where status == NATS_OK {
                status = natsMsgHeader_Add(made, header.name, header.value)
            }
            return status == NATS_OK ? natsConnection_PublishMsg(connection, made) : status
        }
    }
}
