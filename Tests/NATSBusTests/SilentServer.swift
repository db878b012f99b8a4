import ApusTesting
import Foundation
import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Accepts connections, sends each one greeting, and never says or reads anything again.
final class SilentServer: Sendable {
    let port: Int
    private let listener: Int32
    private let accepted = Mutex<[Int32]>([])

    init(greeting: String) throws {
        port = try FreePort.next()
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        // SAFETY: a sockaddr_in is what AF_INET expects behind the pointer, with its size.
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard bound, listen(listener, 16) == 0 else { throw TestFailure("cannot listen on \(port)") }
        let bytes = Array(greeting.utf8)
        Thread.detachNewThread { [self] in
            while true {
                let descriptor = accept(listener, nil, nil)
                guard descriptor >= 0 else { return }
                _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                accepted.withLock { $0.append(descriptor) }
            }
        }
    }

    /// Whether every connection was ended by its other side, and there was one.
    var wasLeft: Bool {
        accepted.withLock { descriptors in
            !descriptors.isEmpty
                && descriptors.allSatisfy { descriptor in
                    var buffer = [UInt8](repeating: 0, count: 4096)
                    let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                    return count == 0 || (count < 0 && errno == ECONNRESET)
                }
        }
    }

    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        accepted.withLock { descriptors in
            for descriptor in descriptors { close(descriptor) }
            descriptors = []
        }
    }
}
