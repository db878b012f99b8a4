import Core
import Metrics

/// What the gateway counts. Names and meanings stand in docs/operations.md.
struct GatewayMetrics: Sendable {
    let connections = Counter(label: "apus_connections_total")
    let sessions = Gauge(label: "apus_sessions")
    let connectsDelayed = Counter(label: "apus_connects_delayed_total")
    let framesIn = Counter(label: "apus_frames_in_total")
    let appended = Counter(label: "apus_events_appended_total")
    let duplicates = Counter(label: "apus_events_duplicate_total")
    let deliveredEvents = Counter(label: "apus_events_delivered_total")
    let liveDropped = Counter(label: "apus_live_dropped_total")
    let slow = Counter(label: "apus_sessions_behind_total")
    let repairs = Counter(label: "apus_hints_repaired_total")
    let headChecks = Counter(label: "apus_head_checks_total")
    let holes = Counter(label: "apus_hint_holes_total")
    let entries = Counter(label: "apus_conversation_entries_total")
    let messages = Counter(label: "apus_messages_total")
    let fanOutReads = Counter(label: "apus_fanout_log_reads_total")
    let fanOutsSwept = Counter(label: "apus_fanout_swept_total")
    let conversationResets = Counter(label: "apus_conversation_resets_total")
    let dead = Counter(label: "apus_dead_letters_total")
    let storeFailures = Counter(label: "apus_store_failures_total")
    let unreadDrift = Counter(label: "apus_unread_drift_total")
    let ingestInFlight = Gauge(label: "apus_ingest_in_flight")
    let pendingRemovals = Gauge(label: "apus_directory_removals_pending")
    let nodesAlive = Gauge(label: "apus_nodes_alive")
    let presenceWatched = Gauge(label: "apus_presence_watched_users")
    let presenceChanges = Counter(label: "apus_presence_changes_total")
    let presenceEvents = Counter(label: "apus_presence_events_total")
    let presenceLookups = Counter(label: "apus_presence_lookups_total")
    let presenceRechecks = Counter(label: "apus_presence_rechecks_total")
    private let latency = Timer(label: "apus_publish_to_socket_seconds")
    private let resyncs: [ResyncReason: Counter]

    init() {
        resyncs = Dictionary(
            uniqueKeysWithValues: ResyncReason.allCases.map {
                ($0, Counter(label: "apus_resyncs_total", dimensions: [("reason", $0.rawValue)]))
            })
    }

    func resync(_ reason: ResyncReason) { resyncs[reason]?.increment() }

    /// A `hello` or a token in a handshake was dealt with.
    func hello(_ result: String) { Counter(label: "apus_hellos_total", dimensions: [("result", result)]).increment() }

    func refused(_ reason: String) {
        Counter(label: "apus_connections_refused_total", dimensions: [("reason", reason)]).increment()
    }

    func messageRefused(_ code: ErrorCode) {
        Counter(label: "apus_messages_refused_total", dimensions: [("code", code.rawValue)]).increment()
    }

    func closed(_ code: UInt16) {
        Counter(label: "apus_sessions_closed_total", dimensions: [("code", String(code))]).increment()
    }

    /// An event was written to a socket. - Parameter acceptedMicroseconds: when a node took it in; 0 when unknown.
    func delivered(acceptedMicroseconds: Int64, nowMilliseconds: Int64) {
        deliveredEvents.increment()
        guard acceptedMicroseconds > 0 else { return }
        // Nanoseconds are what it keeps: the other units are generic, which costs a dozen allocations where they are not inlined.
        latency.recordNanoseconds(max(0, nowMilliseconds * 1000 - acceptedMicroseconds) &* 1000)
    }
}
