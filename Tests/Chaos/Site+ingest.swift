import ApusTesting
import Wire

extension Site {
    /// Returns when the nodes have settled all that JetStream has taken by now.
    func waitForIngest() async throws {
        let last = try await jetStream("STREAM.INFO.APUS_IN")["state"]?.object?["last_seq"]?.integer ?? 0
        try await eventually("the nodes have taken in what JetStream has") {
            let settled = try await jetStream("CONSUMER.INFO.APUS_IN.notifier")["ack_floor"]?.object
            return settled?["stream_seq"]?.integer ?? 0 >= last
        }
    }
}
