import CDemoSite
import Gateway

/// The files of the demo page, compiled into the executable (clients/demo_site.c).
enum DemoSite {
    /// By the path at which each is served.
    static func files() -> [String: SiteFile] {
        var files: [String: SiteFile] = [:]
        var index = 0
        // SAFETY: the entries and what they point to are constants of the executable, each with its own length.
        while let file = demo_site_file(index)?.pointee {
            files[String(cString: file.path)] = SiteFile(
                contentType: String(cString: file.content_type),
                bytes: Array(UnsafeBufferPointer(start: file.bytes, count: file.count)))
            index += 1
        }
        return files
    }
}
