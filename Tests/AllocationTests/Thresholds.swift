/// What a debug build may cost, each with why it is what it is. When a change costs less, the threshold goes down with it;
/// when one costs more, it needs a reason that stands here.
enum Thresholds {
    /// Allocations per operation of each hot path (`apus-microbench --only` has the same names).
    ///
    /// A figure is what was measured, rounded up to a whole one for what is done once per request, and to a quarter for
    /// what is done once per message and session: there, one more is one more for each of many thousands a second.
    static let allocations: [String: Double] = [
        // The message's bytes.
        "frame.parse": 1,
        // A string for each member, the document's members, and the set that finds members that stand there twice.
        "request.parse": 124,
        // Text put together part by part: in a release build most of it is one buffer that grows.
        "envelope.notification": 14,
        "envelope.message": 12,
        "envelope.topic": 4,
        // The buffer and its storage.
        "encode.once": 2,
        // Some 30 words, each of which is made, joined to the others and given a pointer for hiredis. Ids are random, and
        // so is the figure: 570 to 620.
        "advance.call": 650,
        // hiredis makes an object of each word, which becomes a value; the event's record is read and its frame written.
        // Random as well: 560 to 620.
        "advance.reply": 650,

        // Nothing for a session; what a batch costs is shared by all of them.
        "deliver.topic": 0.25,
        // SwiftNIO's flush of one channel, in a debug build: 4, and a little for writes that meet a full socket, more of
        // them where other tests keep the machine busy. One more would be 5.
        "deliver.topic.socket": 4.95,
        // The same for ten messages that are one write.
        "deliver.burst.socket": 0.5,
        "deliver.event": 5,
        "deliver.event.socket": 9,
    ]

    /// Resident memory of the node's process per idle session.
    static let idleSessionBytes = 4096
}
