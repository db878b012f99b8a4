/// What a node said of who is online.
struct PresenceSample: Sendable {
    /// The node that said it.
    var node: String
    /// It was found out at some moment from then on, …
    var from: Moment
    /// … up to then.
    var until: Moment
    var online: [String] = []
    var offline: [String] = []
}

/// When a node was dead, or stood still.
struct NodeOutage: Sendable {
    var node: String
    var from: Moment
    /// Until it was ready again; nil: it was not.
    var until: Moment?
}
