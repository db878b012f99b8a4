import CEvents
import Glibc

/// Waits for many descriptors at once (epoll, edge-triggered): whoever is told that one is readable reads it empty.
final class Poller {
    struct Event {
        let tag: UInt64
        let isReadable: Bool
        let isWritable: Bool
        /// The other side is gone, or will not say more: read until that shows.
        let isOver: Bool
    }

    private let descriptor: Int32
    // SAFETY: allocated in `init`, freed in `deinit`; only as many entries are read as the kernel has written.
    private let events: UnsafeMutablePointer<epoll_event>
    private let capacity = 512
    private static let interest = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | 1 << 31

    init() throws {
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else { throw LoadError("epoll_create1: \(errorText(errno))") }
        events = .allocate(capacity: capacity)
    }

    deinit {
        events.deallocate()
        close(descriptor)
    }

    /// Watches a descriptor until it is closed.
    func add(_ watched: Int32, tag: UInt64) throws {
        var event = epoll_event()
        event.events = Self.interest
        event.data.u64 = tag
        guard epoll_ctl(descriptor, EPOLL_CTL_ADD, watched, &event) == 0 else {
            throw LoadError("epoll_ctl: \(errorText(errno))")
        }
    }

    /// Waits until something happens or the time has passed. - Returns: How many events there are.
    func wait(nanoseconds: Int64) -> Int {
        let found = apus_epoll_wait(descriptor, events, Int32(capacity), nanoseconds)
        return max(0, Int(found))
    }

    subscript(at: Int) -> Event {
        let bits = events[at].events
        return Event(
            tag: events[at].data.u64, isReadable: bits & EPOLLIN.rawValue != 0,
            isWritable: bits & EPOLLOUT.rawValue != 0,
            isOver: bits & (EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0)
    }
}

func errorText(_ code: Int32) -> String { String(cString: strerror(code)) }
