/// A setting that is wrong: one line that names it, its value with secrets hidden, and the fix. Exit status 64.
struct ConfigurationError: Error, Hashable, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// A server that the node needs could not be reached in time at start. Exit status 69.
struct UnreachableError: Error, Hashable, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
