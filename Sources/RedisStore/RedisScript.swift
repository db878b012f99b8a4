#if DEBUG
    import Core
#endif

/// The Lua scripts: one file each in `Scripts/`, loaded at every connect and run by digest.
///
/// They are loaded in this order, the busiest last: when a server has forgotten its scripts, what was not run is sent
/// again right behind the last one, and should not find it forgotten once more.
enum RedisScript: String, CaseIterable, Sendable {
    case drift, expire
    case messageDrift = "message_drift"
    case renewLease = "renew_lease"
    case dueAdd = "due_add"
    case dueClaim = "due_claim"
    case dueDone = "due_done"
    case fanOutClaim = "fanout_claim"
    case group, block, mute, revise, progress, page, counts, conversations, summary, membership, history, entries
    case markRead = "mark_read"
    case register, remove
    case read, open, send, advance, append

    /// Those that write what somebody is told is stored: in strict durability a replica must have it too. Sessions,
    /// leases and claims are written again by themselves, and `open` promises nothing.
    static let confirmed: Set<RedisScript> = [
        .append, .markRead, .expire, .dueAdd, .send, .revise, .progress, .group, .advance, .mute, .block,
    ]

    /// The functions of `lib.lua`, those that scripts of one kind share besides, and the script itself.
    var source: [UInt8] { Self.withoutComments(whole) }

    private var whole: [UInt8] {
        let whole = PackageResources.lib_lua + [UInt8(ascii: "\n")] + library + body
        #if DEBUG
            return defective(whole, Defect.planted)
        #else
            return whole
        #endif
    }

    /// Leaves comments out, and the spaces that lines begin with: every connection loads all scripts. Lines keep their
    /// numbers, for error messages.
    static func withoutComments(_ source: [UInt8]) -> [UInt8] {
        let lines = source.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { line in
            let line = line.drop { $0 == UInt8(ascii: " ") }
            return line.starts(with: "--".utf8) ? [] : line
        }
        return Array(lines.joined(separator: [UInt8(ascii: "\n")]))
    }

    private var library: [UInt8] {
        switch self {
        case .send, .revise, .progress, .group, .entries, .history, .summary:
            PackageResources.lib_conversations_lua + [UInt8(ascii: "\n")]
        case .advance, .conversations, .membership, .mute, .block, .messageDrift:
            PackageResources.lib_memberships_lua + [UInt8(ascii: "\n")]
        default: []
        }
    }

    private var body: [UInt8] {
        switch self {
        case .append: PackageResources.append_lua
        case .open: PackageResources.open_lua
        case .read: PackageResources.read_lua
        case .counts: PackageResources.counts_lua
        case .drift: PackageResources.drift_lua
        case .expire: PackageResources.expire_lua
        case .page: PackageResources.page_lua
        case .markRead: PackageResources.mark_read_lua
        case .register: PackageResources.register_lua
        case .remove: PackageResources.remove_lua
        case .renewLease: PackageResources.renew_lease_lua
        case .dueAdd: PackageResources.due_add_lua
        case .dueClaim: PackageResources.due_claim_lua
        case .dueDone: PackageResources.due_done_lua
        case .send: PackageResources.send_lua
        case .revise: PackageResources.revise_lua
        case .progress: PackageResources.progress_lua
        case .group: PackageResources.group_lua
        case .entries: PackageResources.entries_lua
        case .history: PackageResources.history_lua
        case .summary: PackageResources.summary_lua
        case .fanOutClaim: PackageResources.fanout_claim_lua
        case .advance: PackageResources.advance_lua
        case .conversations: PackageResources.conversations_lua
        case .membership: PackageResources.membership_lua
        case .mute: PackageResources.mute_lua
        case .block: PackageResources.block_lua
        case .messageDrift: PackageResources.message_drift_lua
        }
    }
}
