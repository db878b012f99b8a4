import Glibc
import Wire

/// Sockets that are ready: reading, frames, writing.
extension Worker {
    func sessionReady(_ event: Poller.Event) {
        let session = Int(event.tag & 0xFFFF_FFFF)
        let record = records + session
        guard record.pointee.generation == UInt16(truncatingIfNeeded: event.tag >> 32), record.pointee.descriptor >= 0
        else { return }
        if record.pointee.phase == .connecting {
            if event.isOver {
                let code = Sockets.error(of: record.pointee.descriptor)
                return couldNotConnect(session, code == 0 ? ECONNRESET : code, Clock.now())
            }
            guard event.isWritable else { return }
            return sendHandshake(session)
        }
        // It does not read, so only the end of its connection shows.
        if record.pointee.flags.contains(.slow), record.pointee.isOpen {
            if event.isOver { lost(session, nil) }
            return
        }
        if event.isWritable, !unsent.isEmpty, unsent[session] != nil { flushUnsent(session) }
        if event.isReadable || event.isOver { receive(session, untilEmpty: event.isOver) }
    }

    /// Reads what is there. Edge-triggered: a read that fills less than the buffer has emptied the socket.
    private func receive(_ session: Int, untilEmpty: Bool) {
        let record = records + session
        let generation = record.pointee.generation
        while true {
            let kept = carry.isEmpty ? nil : carry.removeValue(forKey: session)
            let have = kept?.count ?? 0
            // SAFETY: what is carried over is less than the buffer, see below.
            kept?.withUnsafeBytes { buffer.copyMemory(from: $0.baseAddress!, byteCount: have) }
            let count = read(record.pointee.descriptor, buffer + have, Self.bufferBytes - have)
            if count <= 0 {
                if count < 0, errno == EAGAIN || errno == EINTR {
                    if let kept { carry[session] = kept }
                    if errno == EINTR { continue }
                    return
                }
                return lost(session, nil)
            }
            tally.bytes += count
            // Once for all that this read brought: it was all here by now.
            receivedAt = Clock.now()
            let all = UnsafeRawBufferPointer(start: buffer, count: have + count)
            let used = consume(session, all)
            guard record.pointee.generation == generation else { return }
            if used < all.count {
                guard all.count - used < Self.bufferBytes / 2 else {
                    return malformed(session, "a frame of over \(Self.bufferBytes / 2) bytes")
                }
                carry[session] = Array(all[used...])
            }
            if have + count < Self.bufferBytes, !untilEmpty { return }
        }
    }

    /// Takes whole frames. - Returns: How many bytes they had.
    // SAFETY: `bytes` is the worker's buffer; nothing reads into it before this call returns.
    private func consume(_ session: Int, _ bytes: UnsafeRawBufferPointer) -> Int {
        let record = records + session
        let generation = record.pointee.generation
        var at = 0
        if record.pointee.phase == .upgrading {
            at = takeHandshake(session, bytes)
            if at == 0 { return 0 }
        }
        while record.pointee.generation == generation, !isDone {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[at...])
            switch ServerFrameHead.read(rest) {
            case .incomplete: return at
            case .failure(let why):
                malformed(session, why)
                return at
            case .head(let head):
                let end = head.headBytes + head.payloadBytes
                guard rest.count >= end else { return at }
                at += end
                take(session, head, UnsafeRawBufferPointer(rebasing: rest[head.headBytes..<end]))
            }
        }
        return at
    }

    private func take(_ session: Int, _ head: ServerFrameHead, _ payload: UnsafeRawBufferPointer) {
        switch head.opcode {
        case 1, 2:
            guard head.isFinal else { return malformed(session, "a fragmented message") }
            tally.frames += 1
            if let dialect { hear(session, payload, dialect) } else { hear(session, payload) }
        case 8:
            lost(session, payload.count >= 2 ? UInt16(payload[0]) << 8 | UInt16(payload[1]) : nil)
        case 9:
            tally.pings += 1
            scratch.removeAll(keepingCapacity: true)
            FrameEncoder.appendClient(.pong, payload, mask: mask(), to: &scratch)
            write(scratch, session)
        case 10: break
        default: malformed(session, "a frame with opcode \(head.opcode)")
        }
    }

    /// Another server's frame: the markers in it are all that is looked at.
    private func hear(_ session: Int, _ payload: UnsafeRawBufferPointer, _ dialect: any Dialect) {
        switch dialect.hear(payload) {
        case .nothing: break
        case .ready: if records[session].phase == .greeting { nowOpen(session) }
        case .answer(let frame): send(frame, session)
        case .events(let stream): takeMarkers(session, payload, stream)
        }
    }

    func malformed(_ session: Int, _ why: String) {
        ledger.note(.malformed, session, "frame", expected: "a frame of the protocol", got: why)
        lost(session, nil)
    }

    // MARK: Writing

    func mask() -> UInt32 { UInt32(truncatingIfNeeded: random.next()) | 1 }

    /// Sends a text frame.
    func send(_ payload: [UInt8], _ session: Int) {
        scratch.removeAll(keepingCapacity: true)
        FrameEncoder.appendClient(.text, payload, mask: mask(), to: &scratch)
        write(scratch, session)
    }

    func write(_ bytes: [UInt8], _ session: Int) {
        let descriptor = records[session].descriptor
        guard descriptor >= 0 else { return }
        guard unsent.isEmpty || unsent[session] == nil else {
            unsent[session]? += bytes
            return
        }
        let count = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        // What is broken shows when it is read.
        if count < 0, errno != EAGAIN { return }
        if count < bytes.count { unsent[session] = Array(bytes[max(0, count)...]) }
    }

    private func flushUnsent(_ session: Int) {
        guard let bytes = unsent.removeValue(forKey: session) else { return }
        write(bytes, session)
    }
}
