/// Whether everything is there: every slot has a master, and every loop its connection to every master. Pure.
struct ClusterHealth {
    enum Change: Equatable {
        case none
        /// For the first time.
        case started
        /// A connection to a master is lost, or a slot has no master.
        case lost
        /// Everything is there again.
        case back
    }

    private struct Link: Hashable {
        let loop: Int
        let server: RedisAddress
    }

    private let loops: Int
    private var up: Set<Link> = []
    private var hasStarted = false
    private var isOut = false
    private(set) var map: SlotMap?
    private(set) var isSettled = false

    init(loops: Int) { self.loops = loops }

    mutating func learned(_ map: SlotMap) -> Change {
        self.map = map
        return judge(isLoss: !map.isWhole)
    }

    mutating func isUp(_ server: RedisAddress, loop: Int) -> Change {
        up.insert(Link(loop: loop, server: server))
        return judge(isLoss: false)
    }

    mutating func isDown(_ server: RedisAddress, loop: Int) -> Change {
        let wasUp = up.remove(Link(loop: loop, server: server)) != nil
        return judge(isLoss: wasUp && map?.masters.contains(server) == true)
    }

    /// A new master's connections are not there at once; that is no outage.
    private mutating func judge(isLoss: Bool) -> Change {
        isSettled =
            map.map { map in
                map.isWhole
                    && map.masters.allSatisfy { server in
                        (0..<loops).allSatisfy { up.contains(Link(loop: $0, server: server)) }
                    }
            } ?? false
        guard isSettled else {
            guard isLoss, hasStarted, !isOut else { return .none }
            isOut = true
            return .lost
        }
        defer { (hasStarted, isOut) = (true, false) }
        return hasStarted ? isOut ? .back : .none : .started
    }

    /// Who may know the map: first those who are connected, then those who are known, at last `seeds`. In each group in
    /// any order, so that the nodes of a fleet do not all ask the same server.
    func candidates(
        seeds: [RedisAddress], using generator: inout some RandomNumberGenerator
    ) -> [RedisAddress] {
        let connected = Set(up.map(\.server))
        let known = (map?.masters ?? []) + (map?.replicas ?? [])
        var all: [RedisAddress] = []
        for group in [known.filter(connected.contains), known.filter { !connected.contains($0) }, seeds] {
            all += group.shuffled(using: &generator).filter { !all.contains($0) }
        }
        return all
    }
}
