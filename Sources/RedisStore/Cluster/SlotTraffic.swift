import Core
import NIOCore

/// The order of one loop's commands in a Cluster: which are on their way in which slot, and which wait.
///
/// Pure: it is told what happened and says what to send and whom to answer; `ClusterLoop` does it.
///
/// **What is promised.** Commands of one user (one hash tag) from one loop are applied in the order of the calls, also
/// while their slot moves to another master:
///
/// - As a rule they all go down one connection, one after another, so nothing is to be done.
/// - The first redirection, or a new owner of the slot, closes the way: what is called then waits, until everything in
///   the slot that was sent before has its answer. What was redirected among it is sent again in its order, then what
///   has waited.
/// - While the slot is moving (`ASK`, `TRYAGAIN`), some commands of a user can be run and others cannot. Then each user
///   has at most one command on its way, and the next one leaves when that one is answered.
/// - One case is left: of two commands sent before the way was closed, the first was redirected and the second was run.
///   The first is then answered `notStored` instead of being applied after the second. Not so a read: it is sent again,
///   and may see what the second one wrote.
///
/// A redirected command was not run, so sending it again is always safe. It is not sent any more when too little of its
/// deadline is left, and is answered `unknown` at its deadline when it was.
struct SlotTraffic {
    typealias Finished = (call: ClusterCall, result: Result<RedisReply, StoreError>)

    enum Admission {
        /// To the slot's master.
        case send
        case wait
        case refuse(StoreError)
    }

    enum Target: Hashable {
        case owner
        case asking(RedisAddress)
    }

    /// The commands of one user that wait.
    private struct Lane {
        let tag: [UInt8]
        /// Sent and redirected, before everything in `held`.
        var refused = CircularBuffer<ClusterCall>()
        var held = CircularBuffer<ClusterCall>()
        /// One is on its way.
        var isBusy = false
        var pausedUntil: UInt64 = 0

        var first: ClusterCall? { refused.first ?? held.first }
        var count: Int { refused.count + held.count }

        mutating func popFirst() -> ClusterCall? { refused.popFirst() ?? held.popFirst() }
    }

    /// A slot whose way is closed.
    private struct Detour {
        /// The slot is moving; otherwise its owner is known and only the answers of before are waited for.
        var isMoving = false
        /// They are all there.
        var isDrained = false
        /// When it was last seen that the slot is moving.
        var movingAt: UInt64 = 0
        var lanes: [Lane] = []

        subscript(lane tag: [UInt8]) -> Lane {
            get { lanes.first { $0.tag == tag } ?? Lane(tag: tag) }
            _modify {
                var index = lanes.endIndex
                if let known = lanes.firstIndex(where: { $0.tag == tag }) {
                    index = known
                } else {
                    lanes.append(Lane(tag: tag))
                }
                yield &lanes[index]
            }
        }
    }

    private let commandsMax: Int
    private let bytesMax: Int

    /// By slot: what was sent and not answered.
    private var inFlight = [UInt32](repeating: 0, count: RedisSlot.count)
    private var detours: [Int: Detour] = [:]
    private var waiting = 0
    private var waitingBytes = 0
    /// Sent again and perhaps not answered yet: their own deadline is before that of their connection.
    private var resent: [ClusterCall] = []

    init(configuration: RedisConfiguration) {
        commandsMax = configuration.commandsInFlightMax
        bytesMax = configuration.bytesInFlightMax
    }

    /// Every slot's way is open.
    var isOpen: Bool { detours.isEmpty }
    /// `expire` has something to look after.
    var needsTime: Bool { !detours.isEmpty || !resent.isEmpty }
    var closedSlots: [Int] { Array(detours.keys) }
}

// MARK: Coming in

extension SlotTraffic {
    mutating func submit(_ call: ClusterCall) -> Admission {
        guard detours.isEmpty || detours[call.slot] == nil else { return hold(call) }
        inFlight[call.slot] += 1
        return .send
    }

    /// The connection to the slot's master is being made: the way is closed until it is there.
    mutating func hold(_ call: ClusterCall) -> Admission {
        guard waiting < commandsMax, waitingBytes + call.bytes.readableBytes <= bytesMax else {
            return .refuse(StoreError(.notStored, "Redis Cluster is too slow: \(waiting) commands wait"))
        }
        wait(call) { $0.held.append(call) }
        return .wait
    }

    /// The slot has another master now: what comes waits until everything that the old one was sent is answered.
    mutating func ownerChanged(_ slot: Int) {
        guard inFlight[slot] > 0, detours[slot] == nil else { return }
        detours[slot] = Detour()
    }

    private mutating func wait(_ call: ClusterCall, _ enqueue: (inout Lane) -> Void) {
        waiting += 1
        waitingBytes += call.bytes.readableBytes
        enqueue(&detours[call.slot, default: Detour()][lane: Array(RedisKeyTag.of(call.key))])
    }

    private mutating func left(_ call: ClusterCall) {
        waiting -= 1
        waitingBytes -= call.bytes.readableBytes
    }
}

// MARK: Answers

extension SlotTraffic {
    /// A call has its answer. - Returns: Who is told what.
    mutating func answered(_ call: ClusterCall, _ result: Result<RedisReply, StoreError>, now: UInt64) -> [Finished] {
        inFlight[call.slot] -= 1
        guard detours[call.slot] != nil else { return [(call, result)] }
        guard !call.isAlone else {
            cameBack(call)
            if let detour = detours[call.slot], detour.isMoving, now >= detour.movingAt + Self.settledNanoseconds {
                detours[call.slot]?.isMoving = false
            }
            return [(call, result)]
        }
        if case .failure(let error) = result, error.outcome == .notStored { return [(call, result)] }
        return overtaken(by: call).map {
            ($0, .failure(StoreError(.notStored, "Redis Cluster: a later command of the same user was run before it")))
        } + [(call, result)]
    }

    /// How long a slot must look settled until its users' commands are no longer sent one by one.
    private static let settledNanoseconds: UInt64 = 250_000_000

    /// The writes that were redirected although they were called before a command of the same user that was run.
    private mutating func overtaken(by call: ClusterCall) -> [ClusterCall] {
        let tag = Array(RedisKeyTag.of(call.key))
        guard let refused = detours[call.slot]?[lane: tag].refused, !refused.isEmpty else { return [] }
        let writes = refused.filter { !$0.isRead }
        for write in writes { left(write) }
        detours[call.slot]?[lane: tag].refused = refused.filter(\.isRead)
        return Array(writes)
    }

    /// A call was not run. - Returns: Who is told what; nobody when it is sent again.
    mutating func redirected(
        _ call: ClusterCall, _ redirection: Redirection, _ message: String, now: UInt64
    ) -> [Finished] {
        inFlight[call.slot] -= 1
        let wasAlone = call.isAlone
        if wasAlone { cameBack(call) }
        close(call.slot, redirection.kind, now: now)
        guard !call.isAnswered else { return [] }
        call.refusal = message
        call.asks = redirection.kind == .ask ? redirection.server : nil
        if redirection.kind == .tryAgain {
            call.pauses += 1
            call.redirections = 0
        } else {
            call.redirections += 1
        }
        guard call.redirections <= Limits.redisRedirectionsMax, waiting < commandsMax else {
            return [(call, .failure(RedisErrors.storeError(message)))]
        }
        wait(call) { lane in
            if wasAlone { lane.refused.prepend(call) } else { lane.refused.append(call) }
            if redirection.kind == .tryAgain { lane.pausedUntil = now + Self.pause(call.pauses) }
        }
        return []
    }

    private mutating func close(_ slot: Int, _ kind: Redirection.Kind, now: UInt64) {
        detours[slot, default: Detour()].isMoving = kind != .moved
        if kind != .moved { detours[slot]?.movingAt = now }
    }

    /// 10 ms, and twice as long each time, up to 160.
    private static func pause(_ times: Int) -> UInt64 { 10_000_000 << UInt64(min(max(times, 1) - 1, 4)) }

    private mutating func cameBack(_ call: ClusterCall) {
        call.isAlone = false
        detours[call.slot]?[lane: Array(RedisKeyTag.of(call.key))].isBusy = false
    }
}

// MARK: Going on

extension SlotTraffic {
    /// What may leave now in a slot whose way is closed; opens it when nothing waits.
    /// - Parameter canSend: Whether the connection to the target has been made, or cannot be.
    mutating func release(
        _ slot: Int, now: UInt64, canSend: (Target) -> Bool
    ) -> [(call: ClusterCall, target: Target)] {
        guard var detour = detours.removeValue(forKey: slot) else { return [] }
        detour.isDrained = detour.isDrained || inFlight[slot] == 0
        var sent: [(call: ClusterCall, target: Target)] = []
        if detour.isMoving, detour.isDrained {
            for index in detour.lanes.indices {
                if let next = Self.next(of: &detour.lanes[index], now: now, canSend: canSend) { sent.append(next) }
            }
        } else if !detour.isMoving, inFlight[slot] == 0, canSend(.owner) {
            for index in detour.lanes.indices {
                while let call = detour.lanes[index].popFirst() { sent.append((call, .owner)) }
            }
        }
        detour.lanes.removeAll { $0.count == 0 && !$0.isBusy }
        for (call, _) in sent {
            inFlight[slot] += 1
            left(call)
            resent.append(call)
        }
        let isOver = detour.lanes.isEmpty && (inFlight[slot] == 0 || !detour.isMoving && !sent.isEmpty)
        if !isOver { detours[slot] = detour }
        return sent
    }

    private static func next(
        of lane: inout Lane, now: UInt64, canSend: (Target) -> Bool
    ) -> (call: ClusterCall, target: Target)? {
        guard !lane.isBusy, lane.pausedUntil <= now, let call = lane.first else { return nil }
        let target = call.asks.map { Target.asking($0) } ?? .owner
        guard canSend(target) else { return nil }
        _ = lane.popFirst()
        lane.isBusy = true
        call.isAlone = true
        return (call, target)
    }

    /// Answers for those whose time is over.
    mutating func expire(now: UInt64) -> [Finished] {
        var finished: [Finished] = []
        let last = now + UInt64(Limits.redisLastSendMilliseconds) * 1_000_000
        for slot in closedSlots {
            for call in takeWaiting(slot, where: { $0.deadline <= last }) {
                finished.append((call, .failure(call.notStored("no server took the command in time"))))
            }
        }
        resent.removeAll(where: \.isAnswered)
        for call in resent where call.deadline <= now {
            finished.append((call, .failure(StoreError(.unknown, "no answer from Redis Cluster in time"))))
        }
        return finished
    }

    /// Nothing is sent any more. - Returns: Everyone who waits.
    mutating func close(_ why: String) -> [Finished] {
        closedSlots.flatMap { slot in takeWaiting(slot) { _ in true } }
            .map { ($0, .failure(StoreError(.notStored, "Redis is not connected: \(why)"))) }
    }

    private mutating func takeWaiting(_ slot: Int, where isTaken: (ClusterCall) -> Bool) -> [ClusterCall] {
        guard var detour = detours.removeValue(forKey: slot) else { return [] }
        var taken: [ClusterCall] = []
        for index in detour.lanes.indices {
            let lane = detour.lanes[index]
            let found = lane.refused.filter(isTaken) + lane.held.filter(isTaken)
            guard !found.isEmpty else { continue }
            detour.lanes[index].refused = lane.refused.filter { !isTaken($0) }
            detour.lanes[index].held = lane.held.filter { !isTaken($0) }
            taken += found
        }
        for call in taken { left(call) }
        detours[slot] = detour
        return taken
    }
}
