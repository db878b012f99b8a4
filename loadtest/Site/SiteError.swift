/// Why a site cannot be had, and what to do.
struct SiteError: Error, CustomStringConvertible, Equatable {
    let description: String
    init(_ description: String) { self.description = description }
}
