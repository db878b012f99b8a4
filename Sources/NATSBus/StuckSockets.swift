#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Wakes a connection attempt that the library cannot get out of.
///
/// When a server falls silent between its first line and its answer to CONNECT, nats.c 3.4 reads again and again past
/// its deadline, using a whole core and growing a buffer, until the peer closes. The socket is not ours to see, so it is
/// found by its peer's port and shut down; the library then reads the end and gives up. Only called while this bus has no
/// connection; another connection to such a port in the same process would have to be made anew.
enum StuckSockets {
    static func shutDown(ports: Set<Int>) {
        for descriptor in openDescriptors() {
            if let port = peerPort(descriptor), ports.contains(port) { shutdown(descriptor, Int32(SHUT_RDWR)) }
        }
    }

    private static func openDescriptors() -> [Int32] {
        guard let nameOffset = MemoryLayout<dirent>.offset(of: \.d_name),
            let folder = opendir("/proc/self/fd") ?? opendir("/dev/fd")
        else { return [] }
        defer { closedir(folder) }
        var found: [Int32] = []
        while let entry = readdir(folder) {
            // SAFETY: `d_name` is a C string inside the entry, which is valid until the next readdir. The entry ends with
            // it, and not after the 256 bytes of its declaration: to copy `d_name` would read past the directory's buffer.
            let name = (UnsafeRawPointer(entry) + nameOffset).assumingMemoryBound(to: CChar.self)
            if let number = Int32(String(cString: name)) { found.append(number) }
        }
        return found
    }

    private static func peerPort(_ descriptor: Int32) -> Int? {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        // SAFETY: `address` has room for any address, `length` says how much, and the family says what it holds.
        return withUnsafeMutableBytes(of: &address) { bytes -> Int? in
            guard let base = bytes.baseAddress,
                getpeername(descriptor, base.assumingMemoryBound(to: sockaddr.self), &length) == 0
            else { return nil }
            switch Int32(base.assumingMemoryBound(to: sockaddr.self).pointee.sa_family) {
            case AF_INET: return Int(UInt16(bigEndian: base.assumingMemoryBound(to: sockaddr_in.self).pointee.sin_port))
            case AF_INET6:
                return Int(UInt16(bigEndian: base.assumingMemoryBound(to: sockaddr_in6.self).pointee.sin6_port))
            default: return nil
            }
        }
    }
}
