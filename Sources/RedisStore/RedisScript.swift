/// The Lua scripts: one file each in `Scripts/`, loaded at every connect and run by digest.
enum RedisScript: String, CaseIterable, Sendable {
    case append, open, read, counts, drift, expire, page
    case markRead = "mark_read"
    case register, remove
    case renewLease = "renew_lease"
    case dueAdd = "due_add"
    case dueClaim = "due_claim"
    case dueDone = "due_done"

    /// The functions of `lib.lua` and the script itself.
    var source: [UInt8] { PackageResources.lib_lua + [UInt8(ascii: "\n")] + body }

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
        }
    }
}
