import Core
import NIOCore

/// The events of topics in one batch, those of each topic joined: every session of a topic gets the same bytes, so they
/// are put together once and written once per session instead of once per event and session (ADR 15).
struct TopicRuns {
    /// Frames of one topic, one behind the other.
    struct Run {
        var topic: Topic
        var frames: ByteBuffer
        var count: Int
    }

    private var runs: [Run] = []
    /// The run of each topic that may still grow.
    private var open: [Topic: Int] = [:]

    var isEmpty: Bool { runs.isEmpty }

    mutating func add(_ topic: Topic, _ frame: ByteBuffer) {
        if let at = open[topic], runs[at].frames.readableBytes + frame.readableBytes <= Limits.topicRunBytesMax {
            runs[at].frames.writeImmutableBuffer(frame)
            runs[at].count += 1
            return
        }
        open[topic] = runs.count
        runs.append(Run(topic: topic, frames: frame, count: 1))
    }

    /// All runs, by their first events; nothing is left.
    mutating func takeAll() -> [Run] {
        defer { self = TopicRuns() }
        return runs
    }
}
