/// A file that cannot be read as what it should be: one line that names it, the place, what is wrong and the fix. Exit
/// status 65.
struct ImportFileError: Error, Hashable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}
