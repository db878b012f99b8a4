#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Ports that nobody listens on.
public enum FreePort {
    /// A TCP port of 127.0.0.1 that was free a moment ago. The kernel hands these out in turn, so two tests rarely meet;
    /// a server that finds its port taken fails to start, and the test says so.
    public static func next() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        // SAFETY: a sockaddr_in is what AF_INET expects behind the pointer, and `length` is its size.
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard bound else { throw TestFailure("no free port: errno \(errno)") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
