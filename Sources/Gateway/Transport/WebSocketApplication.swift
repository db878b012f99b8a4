import NIOCore
import Wire

/// What stands behind the sockets of one event loop: sessions in the gateway, an echo in `apus-echo`.
///
/// Every function is called on the loop of the connection, and everything a connection offers is to be used there.
public protocol WebSocketApplication: AnyObject {
    /// What the frame decoder takes.
    var frames: FrameDecoder.Options { get }

    /// A connection was accepted; its request has not arrived.
    func connected(_ connection: Connection<Self>)

    /// Whether this is a request for a WebSocket, to be checked and answered by `upgrade`.
    func isSocket(_ request: RequestHead) -> Bool

    /// How large a body a request for something else may have; 0 for none.
    func bodyBytesMax(of request: RequestHead) -> Int

    /// A request for something else, whole. The application answers with `connection.answer`, now or later.
    func request(_ connection: Connection<Self>, _ request: RequestHead, body: [UInt8])

    /// A request for a socket. The application answers with `connection.accept` or `connection.answer`, now or later;
    /// nothing is read until then.
    func upgrade(_ connection: Connection<Self>, _ request: RequestHead)

    /// A message, ping or pong; or the last of all, a close frame or a failure. Pings and closes are answered by the
    /// connection before this is called.
    func received(_ connection: Connection<Self>, _ output: FrameDecoder.Output)

    /// The output buffer went over its limit (false) or was drained (true).
    func writabilityChanged(_ connection: Connection<Self>, _ isWritable: Bool)

    /// The connection is gone; called exactly once after `connected`.
    func closed(_ connection: Connection<Self>)
}

/// A complete, small HTTP answer, after which the connection is closed.
public struct HTTPAnswer: Sendable {
    public var status: Int
    /// Further header lines, without line ends.
    public var fields: [String]
    public var contentType: String
    public var body: [UInt8]

    public init(_ status: Int, fields: [String] = [], contentType: String = "text/plain; charset=utf-8", body: [UInt8])
    {
        self.status = status
        self.fields = fields
        self.contentType = contentType
        self.body = body
    }

    /// An error as JSON: `{"error":{"code","message"}}` (PROTOCOL §4).
    public static func error(_ status: Int, _ code: String, _ message: String, fields: [String] = []) -> HTTPAnswer {
        let body = JSONWriter.object {
            $0.member(
                "error",
                object: {
                    $0.member("code", code)
                    $0.member("message", message)
                })
        }
        return HTTPAnswer(status, fields: fields, contentType: "application/json", body: body)
    }

    /// The bytes of the answer; `withBody` is false for HEAD.
    func serialized(withBody: Bool) -> ByteBuffer {
        var head = "HTTP/1.1 \(status) \(Self.reason(status))\r\n"
        for field in fields { head += field + "\r\n" }
        head += "Content-Type: \(contentType)\r\nContent-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        var out = ByteBuffer(string: head)
        if withBody { out.writeBytes(body) }
        return out
    }

    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 413: "Content Too Large"
        case 426: "Upgrade Required"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 503: "Service Unavailable"
        case 505: "HTTP Version Not Supported"
        default: "Error"
        }
    }
}
