import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Named places where a test makes a node die as if killed (`APUS_CRASHPOINT=name:n`: at the n-th time that it comes there).
/// Only in debug builds; in a release the calls are empty.
public enum CrashPoint {
    #if DEBUG
        private static let armed: (name: String, at: Int)? = {
            guard let text = getenv("APUS_CRASHPOINT").map({ String(cString: $0) }) else { return nil }
            let parts = text.split(separator: ":")
            guard parts.count == 2, let at = Int(parts[1]) else { return nil }
            return (String(parts[0]), at)
        }()
        private static let reached = Atomic(0)

        public static func reach(_ name: StaticString) {
            guard let armed, armed.name == "\(name)" else { return }
            guard reached.add(1, ordering: .relaxed).newValue == armed.at else { return }
            // SIGKILL, so that nothing is flushed, closed or said.
            kill(getpid(), SIGKILL)
        }
    #else
        @inlinable
        public static func reach(_ name: StaticString) {}
    #endif
}
