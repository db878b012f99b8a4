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
        // A string for each member, the document's members, and what generic code of a debug build makes on its way.
        "request.parse": 118,
        // Text put together part by part: in a release build most of it is one buffer that grows.
        "envelope.notification": 13,
        "envelope.message": 1,
        // The buffer and its storage.
        "envelope.topic": 2,
        // The buffer and its storage.
        "encode.once": 2,
        // Some 30 words, which a release build writes with 12; generic code of a debug build allocates for numbers and
        // ids. Hashes are random, and so is the figure: 290 to 450.
        "advance.call": 500,
        // hiredis makes an object of each word, which becomes a value; the event's record is read and its frame written
        // (a release build: 44). Random as well: 510 to 720.
        "advance.reply": 760,

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
