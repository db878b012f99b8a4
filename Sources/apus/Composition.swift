import Gateway

/// Builds a node from its configuration and runs it until it has drained.
struct Composition {
    let configuration: NodeConfiguration

    init(_ configuration: NodeConfiguration) {
        self.configuration = configuration
    }

    /// - Throws: what kept the node from starting.
    func run() async throws {
    }
}
