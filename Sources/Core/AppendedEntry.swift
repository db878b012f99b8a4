/// An event that was just appended to a user's timeline, with what a receiver needs to check that it is the next one.
public struct AppendedEntry: Hashable, Sendable {
    public var seq: Int64
    public var id: String
    /// The id of the event before it; empty for the first.
    public var previous: String
    /// The whole frame, as it stands in the timeline.
    public var frame: [UInt8]

    public init(seq: Int64, id: String, previous: String, frame: [UInt8]) {
        self.seq = seq
        self.id = id
        self.previous = previous
        self.frame = frame
    }
}

/// A session in a user's directory and the node that holds it: where an appended event is to go.
public struct SessionRoute: Hashable, Sendable {
    public var session: String
    public var holder: Incarnation

    public init(session: String, holder: Incarnation) {
        self.session = session
        self.holder = holder
    }
}
