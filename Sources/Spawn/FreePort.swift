import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Ports that nobody listens on.
public enum FreePort {
    /// Below the ports that the kernel gives to outgoing connections (Linux from 32,768, macOS from 49,152): none of
    /// them takes a port between its choice here and the start of its server.
    private static let range = 10_000..<32_768
    /// The port that was given last. Ports are given in turn, so one process gives none twice; each process begins
    /// somewhere else.
    private static let last = Mutex(Int.random(in: range))

    /// A TCP port of 127.0.0.1 that was free a moment ago.
    public static func next() throws -> Int {
        try last.withLock { last in
            for _ in range {
                last = last + 1 < range.upperBound ? last + 1 : range.lowerBound
                if isFree(last) { return last }
            }
            throw SpawnError("no free port in \(range)")
        }
    }

    private static func isFree(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        // SAFETY: a sockaddr_in is what AF_INET expects behind the pointer, and its size is given.
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
    }
}
