import Glibc

/// An IPv4 address and port, as the kernel takes them.
struct Endpoint: Codable, Hashable, Sendable {
    /// In host order.
    var address: UInt32
    var port: UInt16

    static func loopback(_ port: Int) -> Endpoint {
        Endpoint(address: 0x7F00_0001, port: UInt16(truncatingIfNeeded: port))
    }

    var text: String { "\(Self.text(address)):\(port)" }

    static func text(_ address: UInt32) -> String {
        "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
    }

    /// - Returns: nil for anything but four numbers with dots.
    static func address(_ text: some StringProtocol) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        guard parts.count == 4 else { return nil }
        return parts.reduce(UInt32?.some(0)) { sum, part in
            guard let sum, let part else { return nil }
            return sum << 8 | UInt32(part)
        }
    }

    /// Resolves a name once, so that workers need no resolver.
    static func resolve(host: String, port: Int, option: String) throws -> Endpoint {
        guard let port16 = UInt16(exactly: port), port > 0 else {
            throw LoadError("\(option): the port must be from 1 to 65535, not \(port)")
        }
        if let address = address(host) { return Endpoint(address: address, port: port16) }
        var hints = addrinfo()
        hints.ai_family = AF_INET
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, nil, &hints, &found)
        // SAFETY: the list is getaddrinfo's, read before it is freed; AF_INET entries hold a sockaddr_in.
        defer { if let found { freeaddrinfo(found) } }
        guard code == 0, let first = found?.pointee.ai_addr else {
            throw LoadError("\(option): \(host) has no IPv4 address (\(String(cString: gai_strerror(code))))")
        }
        let address = first.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { $0.pointee.sin_addr.s_addr }
        return Endpoint(address: UInt32(bigEndian: address), port: port16)
    }

    /// Calls `body` with the structure that system calls want.
    func withAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = self.address.bigEndian
        // SAFETY: AF_INET says that a sockaddr_in is behind the pointer, and its size is given.
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// Sockets without anything around them.
enum Sockets {
    /// What became of an attempt to connect: a descriptor that will be writable when it is connected, or an errno.
    enum Attempt { case started(Int32), failed(Int32) }

    /// `IP_BIND_ADDRESS_NO_PORT`: the port is chosen when the destination is known, so one port serves many destinations.
    private static let bindAddressNoPort: Int32 = 24

    /// What one that does not read takes in all the same: a few kilobytes, so that the server meets it soon. The
    /// segments are small, for the kernel sizes the other side's buffer by them: 130 KB were taken where it was 4 MB
    /// with those of the loopback.
    private static let slowBufferBytes: Int32 = 4096
    private static let slowSegmentBytes: Int32 = 536

    static func connect(to destination: Endpoint, from source: UInt32?, isSlow: Bool = false) -> Attempt {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_INET, kind, 0)
        guard descriptor >= 0 else { return .failed(errno) }
        var failure = set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
        if failure == 0, isSlow { failure = set(descriptor, SOL_SOCKET, SO_RCVBUF, to: slowBufferBytes) }
        if failure == 0, isSlow { failure = set(descriptor, Int32(IPPROTO_TCP), TCP_MAXSEG, to: slowSegmentBytes) }
        if failure == 0, let source {
            failure = set(descriptor, Int32(IPPROTO_IP), bindAddressNoPort)
            if failure == 0, Endpoint(address: source, port: 0).withAddress({ bind(descriptor, $0, $1) }) != 0 {
                failure = errno
            }
        }
        if failure == 0, destination.withAddress({ Glibc.connect(descriptor, $0, $1) }) != 0, errno != EINPROGRESS {
            failure = errno
        }
        guard failure == 0 else {
            close(descriptor)
            return .failed(failure)
        }
        return .started(descriptor)
    }

    /// Ends a connection so that no port waits for late packets: the other side sees a reset, as when a network breaks.
    static func reset(_ descriptor: Int32) {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }

    /// The error of a connection that failed; 0 when there is none.
    static func error(of descriptor: Int32) -> Int32 {
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
        return code
    }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, to value: Int32 = 1) -> Int32 {
        var value = value
        return setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size)) == 0 ? 0 : errno
    }

    /// What a failure to connect means, and what mends it.
    static func explain(_ code: Int32, _ destination: Endpoint, source: UInt32?) -> String {
        switch code {
        case ECONNREFUSED: "nobody listens at \(destination.text)"
        case EADDRNOTAVAIL:
            if let source {
                "no port left from \(Endpoint.text(source)) to \(destination.text), or no such address of this machine:"
                    + " give more --sources, or widen net.ipv4.ip_local_port_range"
            } else {
                "no port left to \(destination.text): give several --sources, or widen net.ipv4.ip_local_port_range"
            }
        case EMFILE: "this process may open no more files: use more --workers, or raise `ulimit -Hn`"
        case ENFILE: "the machine may open no more files: raise fs.file-max"
        case ENOBUFS, ENOMEM: "the kernel has no memory left for sockets"
        default: "connecting to \(destination.text) failed: \(errorText(code))"
        }
    }
}
