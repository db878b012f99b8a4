import Gateway

/// The files of the demo page, compiled into the executable.
enum DemoSite {
    static func files(for configuration: NodeConfiguration) -> [String: SiteFile] {
        guard configuration.dev != nil else { return [:] }
        return [:]
    }
}
