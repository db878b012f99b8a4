/// The files of the demo page and of the JavaScript client it uses, by the path at which they are served.
public enum DemoSite {
    /// A file: its media type and its bytes.
    public typealias File = (contentType: String, bytes: [UInt8])

    public static let files: [String: File] = [
        "/": (html, PackageResources.index_html),
        "/demo.css": ("text/css; charset=utf-8", PackageResources.demo_css),
        "/demo.js": (script, PackageResources.demo_js),
        "/frames.js": (script, PackageResources.frames_js),
        "/inbox-view.js": (script, PackageResources.inbox_view_js),
        "/look.js": (script, PackageResources.look_js),
        "/publish.js": (script, PackageResources.publish_js),
        "/toasts.js": (script, PackageResources.toasts_js),
        "/icon.svg": ("image/svg+xml", PackageResources.icon_svg),
        "/apus.js": (script, PackageResources.apus_js),
    ]

    private static let html = "text/html; charset=utf-8"
    private static let script = "text/javascript; charset=utf-8"
}
