/// What a store keeps, and for how long. Nodes use `standard`; tests make it small, so that reaching a cap is cheap.
public struct StoreLimits: Hashable, Sendable {
    /// Events that a timeline keeps; an older position answers `trimmed`.
    public var timelineEvents: Int
    /// How long a timeline keeps an event, unless it is the newest one.
    public var timelineMilliseconds: Int64
    /// Notifications that an inbox keeps; the oldest leave first.
    public var inboxItems: Int
    /// How long the id of an event is remembered for deduplication, at least.
    public var dedupMilliseconds: Int64
    /// Members up to which a group's messages are written into every member's timeline.
    public var groupFanOut = Limits.groupFanOutMax
    /// Members of a group.
    public var groupMembers = Limits.groupMembersMax
    /// How long the sender may edit a message.
    public var editMilliseconds = Int64(Limits.editHours) * 3_600_000

    public init(timelineEvents: Int, inboxItems: Int, timelineMilliseconds: Int64, dedupMilliseconds: Int64) {
        precondition(timelineEvents > 0 && inboxItems > 0, "a store keeps at least one event and one item")
        precondition(timelineMilliseconds > 0 && dedupMilliseconds > 0, "a store keeps things for some time")
        self.timelineEvents = timelineEvents
        self.inboxItems = inboxItems
        self.timelineMilliseconds = timelineMilliseconds
        self.dedupMilliseconds = dedupMilliseconds
    }

    /// The figures of `Limits`.
    public static let standard = StoreLimits(
        timelineEvents: Limits.timelineEventsMax,
        inboxItems: Limits.inboxItemsMax,
        timelineMilliseconds: Int64(Limits.timelineDaysMax) * 86_400_000,
        dedupMilliseconds: Int64(Limits.dedupHours) * 3_600_000)
}
