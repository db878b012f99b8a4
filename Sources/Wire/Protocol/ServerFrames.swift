import Core
import NIOCore

/// The frames that the gateway makes itself (PROTOCOL §2), as JSON. Durable events are made by the stores.
public enum ServerFrames {
    /// `{"re":…,"ok":…}`
    public static func ok(_ id: [UInt8], _ body: [UInt8] = Array("{}".utf8)) -> [UInt8] {
        JSONWriter.object {
            $0.raw("re", id)
            $0.raw("ok", body)
        }
    }

    /// `{"re":…,"error":{…}}`; `re` is null when the request had no usable id.
    public static func error(_ id: [UInt8]?, _ error: ApusError) -> [UInt8] {
        JSONWriter.object {
            $0.raw("re", id ?? Array("null".utf8))
            $0.member("error", object: error.write)
        }
    }

    /// What `welcome` tells.
    public struct Welcome: Sendable {
        public var user: UserID
        public var session: SessionID
        public var node: String
        public var epoch: String
        public var seq: Int64
        /// The id of the event at `seq`, so that a client can resume before it saw any (addition of docs/protocol.md).
        public var last: String
        public var resumed: Bool
        public var resync: ResyncReason?
        public var unread: Unread
        public var pingMilliseconds: Int

        public init(
            user: UserID, session: SessionID, node: String, epoch: String, seq: Int64, last: String, resumed: Bool,
            resync: ResyncReason?, unread: Unread, pingMilliseconds: Int
        ) {
            self.user = user
            self.session = session
            self.node = node
            self.epoch = epoch
            self.seq = seq
            self.last = last
            self.resumed = resumed
            self.resync = resync
            self.unread = unread
            self.pingMilliseconds = pingMilliseconds
        }
    }

    public static func welcome(_ id: [UInt8]?, _ welcome: Welcome) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", "welcome")
            if let id { $0.raw("re", id) }
            $0.member("user", welcome.user.text)
            $0.member("session", welcome.session.text)
            $0.member("node", welcome.node)
            $0.member("epoch", welcome.epoch)
            $0.member("seq", welcome.seq)
            if !welcome.last.isEmpty { $0.member("last", welcome.last) }
            $0.member("resumed", welcome.resumed)
            if let reason = welcome.resync { $0.member("resync", reason.rawValue) }
            $0.member(unread: welcome.unread)
            $0.member("ping_ms", welcome.pingMilliseconds)
            $0.member(
                "limits",
                object: {
                    $0.member("frame_bytes", Limits.messageBytesMax)
                    $0.member("body_bytes", Limits.bodyBytesMax)
                    $0.member("ops_per_s", Limits.operationsPerSecond)
                })
        }
    }

    /// The answer to `sync`, and of `GET /v1/users/{user}/timeline`.
    public static func page(
        epoch: String, events: [[UInt8]], head: Int64, more: Bool, resync: ResyncReason?
    ) -> [UInt8] {
        JSONWriter.object {
            $0.member("epoch", epoch)
            $0.member("events", array: { list in events.forEach { list.element($0) } })
            $0.member("head", head)
            $0.member("more", more)
            if let resync { $0.member("resync", resync.rawValue) }
        }
    }

    public static func ping(head: Int64) -> [UInt8] { JSONWriter.object { $0.member("seq", head) } }
    public static func expires(_ seconds: Int64) -> [UInt8] { JSONWriter.object { $0.member("expires", seconds) } }
    public static func topic(_ topic: Topic) -> [UInt8] { JSONWriter.object { $0.member("topic", topic.text) } }

    // MARK: Live events

    /// `{"ev":"topic","topic":…,"data":…}` as the whole WebSocket frame that all sessions share.
    public static func topic(_ topic: Topic, data: ArraySlice<UInt8>) -> ByteBuffer {
        // A topic has no character that JSON escapes.
        event(#"{"ev":"topic","topic":""#, topic.text.utf8, #"","data":"#, data)
    }

    /// `{"ev":"live","type":…,"data":…}` as the whole WebSocket frame that all sessions share.
    /// - Parameter type: A JSON string, as it came.
    public static func live(type: ArraySlice<UInt8>, data: ArraySlice<UInt8>) -> ByteBuffer {
        event(#"{"ev":"live","type":"#, type, #","data":"#, data)
    }

    private static func event(
        _ head: StaticString, _ name: some Collection<UInt8>, _ middle: StaticString, _ data: ArraySlice<UInt8>
    ) -> ByteBuffer {
        let count = head.utf8CodeUnitCount + name.count + middle.utf8CodeUnitCount + data.count + 1
        return FrameEncoder.text(count: count) {
            $0.writeStaticString(head)
            $0.writeBytes(name)
            $0.writeStaticString(middle)
            $0.writeBytes(data)
            $0.writeInteger(UInt8(ascii: "}"))
        }
    }

    /// A watched user is online. `since`: when the oldest session began.
    public static func online(_ user: UserID, sinceMilliseconds since: Int64) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", "presence")
            $0.member("user", user.text)
            $0.member("state", "online")
            $0.member("since", since)
        }
    }

    public static func offline(_ user: UserID, lastSeenMilliseconds lastSeen: Int64?) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", "presence")
            $0.member("user", user.text)
            $0.member("state", "offline")
            if let lastSeen { $0.member("last_seen", lastSeen) }
        }
    }

    public static func behind(head: Int64) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", "behind")
            $0.member("seq", head)
        }
    }

    public static func draining(reconnectMilliseconds: Int) -> [UInt8] {
        JSONWriter.object {
            $0.member("ev", "draining")
            $0.member("reconnect_ms", reconnectMilliseconds)
        }
    }
}

extension ApusError {
    /// The members of an error object, the same on the socket, in HTTP and in `apus.rpc.*`.
    public func write(_ writer: inout JSONWriter) {
        writer.member("code", code.rawValue)
        writer.member("message", message)
        if let retryMilliseconds { writer.member("retry_ms", retryMilliseconds) }
    }
}
