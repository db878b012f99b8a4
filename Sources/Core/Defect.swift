#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Builds that are broken on purpose: the fault tests (Tests/Chaos) plant each of these and must catch it, or they prove
/// nothing (ADR 18). `APUS_DEFECT=name`, in debug builds only; a release has none of it.
public enum Defect: String, CaseIterable, Sendable {
    /// An event of the durable stream is acknowledged before it is stored.
    case ackFirst = "ack_first"
    /// Ids that were seen before are stored again.
    case noDedup = "no_dedup"
    /// A position is resumed from by its number alone.
    case resumeUnchecked = "resume_unchecked"
    /// A member's cursor is compared with the log by its number alone.
    case cursorUnchecked = "cursor_unchecked"
    /// Whoever went with a dead node is still said to be online.
    case deadOnline = "dead_online"

    #if DEBUG
        public static let planted: Defect? = {
            guard let name = getenv("APUS_DEFECT").map({ String(cString: $0) }) else { return nil }
            guard let defect = Defect(rawValue: name) else {
                fatalError("APUS_DEFECT=\(name): there is no such defect; use \(allCases.map(\.rawValue))")
            }
            return defect
        }()
    #else
        @inlinable
        public static var planted: Defect? { nil }
    #endif
}
