import Bus
import Chat
import Core
import Logging
import NIOCore
import Notifications
import Presence
import Timelines

/// What every part of one node shares: its configuration, its ports and its services. Values that never change, and
/// services that guard their own state.
final class NodeContext: Sendable {
    let configuration: NodeConfiguration
    let incarnation: Incarnation
    let startedAtMilliseconds: Int64
    let time: any TimeSource
    let logger: Logger

    let timelines: any TimelineStore
    let inbox: any InboxStore
    let presence: any PresenceStore
    let conversations: any ConversationStore
    let memberships: any MembershipStore
    let bus: any Bus
    let subjects: Subjects

    let verifier: TokenVerifier
    let metrics: GatewayMetrics
    let addresses: AddressCounter
    let origins: Set<String>
    let site: Site
    let readiness = Readiness()
    /// Sessions that said hello.
    let sessionCount = AtomicCounter()
    /// Sockets of the public listener, whatever they have said.
    let connectionCount = AtomicCounter()

    let directory: SessionDirectory
    let presenceCenter: PresenceCenter
    let roster: NodeRoster
    let hub: Hub
    let router: EventRouter

    init(
        configuration: NodeConfiguration, incarnation: Incarnation, ports: NodePorts, verifier: TokenVerifier,
        time: any TimeSource, logger: Logger, files: [String: SiteFile], subjects: Subjects, loop: any EventLoop
    ) {
        self.configuration = configuration
        self.incarnation = incarnation
        self.time = time
        self.logger = logger
        self.verifier = verifier
        self.subjects = subjects
        startedAtMilliseconds = time.wallMilliseconds()
        timelines = ports.timelines
        inbox = ports.inbox
        presence = ports.presence
        conversations = ports.conversations
        memberships = ports.memberships
        bus = ports.bus
        metrics = GatewayMetrics()
        addresses = AddressCounter(limit: configuration.sessionsPerAddress)
        origins = Set(configuration.origins ?? [])
        roster = NodeRoster(own: incarnation, time: time)
        hub = Hub()
        presenceCenter = PresenceCenter(
            loop: loop, own: incarnation, store: ports.presence, bus: ports.bus, subjects: subjects, hub: hub,
            roster: roster, metrics: metrics, time: time, logger: logger)
        directory = SessionDirectory(
            presence: ports.presence, limit: configuration.sessionsPerUser, time: time,
            changed: presenceCenter.changed)
        router = EventRouter(
            own: incarnation, bus: ports.bus, subjects: subjects, hub: hub, roster: roster,
            directory: directory)
        site = Site(
            files: files, readiness: readiness,
            development: configuration.dev.map { Site.Development($0, configuration) },
            time: time)
    }

    /// The address that counts: the peer's, or what a trusted proxy says of it (the last entry that is not a proxy's).
    func clientAddress(peer: String, forwarded: [String]) -> String {
        var address = peer
        for hop in forwarded.reversed() {
            guard configuration.trustedProxies.contains(where: { $0.contains(address) }) else { break }
            address = hop
        }
        return address
    }
}

/// The adapters that a node runs on.
public struct NodePorts: Sendable {
    public var timelines: any TimelineStore
    public var inbox: any InboxStore
    public var presence: any PresenceStore
    public var conversations: any ConversationStore
    public var memberships: any MembershipStore
    public var bus: any Bus
    /// Whether the store can be used at this moment; asked by `/readyz`.
    public var isStoreConnected: @Sendable () -> Bool

    public init(
        timelines: any TimelineStore, inbox: any InboxStore, presence: any PresenceStore,
        conversations: any ConversationStore, memberships: any MembershipStore, bus: any Bus,
        isStoreConnected: @escaping @Sendable () -> Bool
    ) {
        self.timelines = timelines
        self.inbox = inbox
        self.presence = presence
        self.conversations = conversations
        self.memberships = memberships
        self.bus = bus
        self.isStoreConnected = isStoreConnected
    }
}
