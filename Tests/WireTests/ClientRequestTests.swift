import ApusTesting
import Core
import NIOCore
import Testing
import Wire

@Suite("A client's request")
struct ClientRequestTests {
    /// A row of `docs/vectors/requests.json`.
    struct Vector: Decodable, Sendable, CustomTestStringConvertible {
        var name: String
        var frame: String
        var re: JSONTree?
        var request: JSONTree?
        var error: Failure?

        struct Failure: Decodable, Sendable {
            var code: String
            var names: String?
        }

        var testDescription: String { name }
    }

    private static let vectors = Result { try Vectors.load("requests", as: Vector.self) }

    @Test("is read as the vectors say", arguments: try vectors.get())
    func holds(_ vector: Vector) throws {
        let request = ClientRequest.parse(Array(vector.frame.utf8))
        let re = try request.id.map { try JSONTree(JSONValue.document($0)) }
        #expect(re == (vector.re == .null ? nil : vector.re))
        switch request.operation {
        case .success(let operation): #expect(Self.tree(operation) == vector.request)
        case .failure(let error):
            #expect(error.code.rawValue == vector.error?.code)
            #expect(vector.error?.names.map { error.message.contains($0) } ?? true, "\(error.message)")
            #expect(error.retryMilliseconds == nil)
        }
    }

    /// An operation as the vectors write it.
    private static func tree(_ operation: Operation) -> JSONTree {
        var members: [String: JSONTree?] = [:]
        func text(_ text: String?) -> JSONTree? { text.map { .text($0) } }
        switch operation {
        case .hello(let hello):
            members = ["op": .text("hello"), "token": text(hello.token), "device": text(hello.device?.text)]
            if hello.invisible { members["invisible"] = .bool(true) }
            if let cursor = hello.resume {
                let resume: [String: JSONTree?] = [
                    "epoch": .text(cursor.epoch), "seq": .integer(cursor.seq), "last": text(cursor.last),
                ]
                members["resume"] = .object(resume.compactMapValues { $0 })
            }
        case .ping: members = ["op": .text("ping")]
        case .auth(let token): members = ["op": .text("auth"), "token": .text(token)]
        case .sync(let sync):
            members = [
                "op": .text("sync"), "after": .integer(sync.after), "limit": .integer(Int64(sync.limit)),
                "last": text(sync.last), "epoch": text(sync.epoch),
            ]
        case .inbox(let inbox):
            members = [
                "op": .text("inbox"), "before": text(inbox.before), "limit": .integer(Int64(inbox.limit)),
                "category": text(inbox.category), "unread": .bool(inbox.unreadOnly),
            ]
        case .inboxRead(let read):
            members = ["op": .text("inbox.read"), "category": text(read.category)]
            switch read.selection {
            case .ids(let ids): members["ids"] = .array(ids.map { .text($0) })
            case .upTo(let id): members["up_to"] = .text(id)
            case .all: members["all"] = .bool(true)
            }
        case .subscribe(let topic): members = ["op": .text("subscribe"), "topic": .text(topic.text)]
        case .unsubscribe(let topic): members = ["op": .text("unsubscribe"), "topic": .text(topic.text)]
        case .presenceWatch(let users):
            members = ["op": .text("presence.watch"), "users": .array(users.map { .text($0.text) })]
        case .presenceUnwatch(let users):
            members = ["op": .text("presence.unwatch"), "users": .array(users.map { .text($0.text) })]
        case .chat(let operation): members = ChatVector.members(operation)
        }
        return .object(members.compactMapValues { $0 })
    }

    private func refusal(_ frame: String) -> ApusError? {
        if case .failure(let error) = ClientRequest.parse(Array(frame.utf8)).operation { error } else { nil }
    }

    /// Every member of every operation, with its kind.
    private static let members: [(op: String, others: String, member: String, kind: String)] = [
        ("hello", "", "token", "text"), ("hello", "", "device", "text"), ("hello", "", "resume", "object"),
        ("auth", "", "token", "text"), ("sync", "", "after", "integer"), ("sync", "\"after\":1,", "limit", "integer"),
        ("sync", "\"after\":1,", "last", "text"), ("sync", "\"after\":1,", "epoch", "text"),
        ("inbox", "", "before", "text"),
        ("inbox", "", "limit", "integer"), ("inbox", "", "category", "text"), ("inbox", "", "unread", "flag"),
        ("inbox.read", "", "ids", "array"), ("inbox.read", "", "up_to", "text"), ("inbox.read", "", "all", "flag"),
        ("inbox.read", "\"all\":true,", "category", "text"), ("subscribe", "", "topic", "text"),
        ("unsubscribe", "", "topic", "text"), ("hello", "", "invisible", "flag"),
        ("presence.watch", "", "users", "array"), ("presence.unwatch", "", "users", "array"),
    ]

    private static let samples = [
        ("text", "\"\\u0000\\\"\""), ("integer", "-1"), ("flag", "true"), ("object", "{}"), ("array", "[{}]"),
        ("fraction", "1.5"),
    ]

    @Test("with a member of the wrong kind is refused by that member's name", arguments: members.indices)
    func wrongKind(index: Int) throws {
        let (op, others, member, kind) = Self.members[index]
        for (sampleKind, sample) in Self.samples where sampleKind != kind {
            let frame = "{\"id\":1,\"op\":\"\(op)\",\(others)\"\(member)\":\(sample)}"
            let error = try #require(refusal(frame), "\(frame)")
            #expect(
                error.code == .badRequest && error.message.hasPrefix("\(member):")
                    || error.message.hasPrefix("\(member)["), "\(frame): \(error)")
        }
    }

    @Test("takes null for absent, in every member", arguments: members.indices)
    func nulls(index: Int) {
        let (op, others, member, _) = Self.members[index]
        let with = ClientRequest.parse(Array("{\"op\":\"\(op)\",\(others)\"\(member)\":null}".utf8)).operation
        let without = ClientRequest.parse(Array("{\(others)\"op\":\"\(op)\"}".utf8)).operation
        #expect(with == without)
    }

    @Test(
        "keeps the bytes of its id for the reply",
        arguments: ["7", "-7", "0", "\"a\\u0041\"", "\"七\"", "\"\"", "9223372036854775807"])
    func id(text: String) {
        #expect(ClientRequest.parse(Array("{\"id\": \(text) ,\"op\":\"ping\"}".utf8)).id == Array(text.utf8))
    }

    @Test(
        "whose id is of no use is refused by the id's name, without one",
        arguments: ["1.0", "1e3", "true", "[]", "{}", "99999999999999999999"])
    func badID(text: String) throws {
        let request = ClientRequest.parse(Array("{\"id\":\(text),\"op\":\"ping\"}".utf8))
        #expect(request.id == nil)
        #expect(try #require(refusal("{\"id\":\(text),\"op\":\"ping\"}")).message.hasPrefix("id:"))
    }

    @Test("for an operation that nobody knows is answered with its name, cut and quoted")
    func unknown() throws {
        let error = try #require(refusal("{\"id\":1,\"op\":\"\(String(repeating: "x", count: 100))\\n\"}"))
        #expect(
            error.code == .unknownOp && error.message == "op: \"\(String(repeating: "x", count: 64))\" is not known")
        #expect(refusal("{\"op\":\"a\\\"b\"}")?.message == "op: \"a\\\"b\" is not known")
    }

    @Test("may have 200 ids to read at most")
    func manyIDs() {
        func frame(_ count: Int) -> String {
            "{\"op\":\"inbox.read\",\"ids\":[\(Array(repeating: "\"a\"", count: count).joined(separator: ","))]}"
        }
        #expect(refusal(frame(Limits.inboxReadIDsMax)) == nil)
        #expect(refusal(frame(Limits.inboxReadIDsMax + 1))?.message.hasPrefix("ids:") == true)
    }
}

@Suite("Frames of the gateway")
struct ServerFramesTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// What stands behind the header of a short frame.
    private func payload(_ frame: ByteBuffer) -> String {
        String(decoding: frame.readableBytesView.dropFirst(2), as: UTF8.self)
    }

    @Test("echo the request's id byte for byte")
    func replies() {
        #expect(text(ServerFrames.ok(Array("\"a\\u0041\"".utf8))) == "{\"re\":\"a\\u0041\",\"ok\":{}}")
        #expect(text(ServerFrames.ok([0x37], ServerFrames.ping(head: 44))) == "{\"re\":7,\"ok\":{\"seq\":44}}")
        #expect(
            text(ServerFrames.error(nil, ApusError(.badRequest, "a \"b\"\n")))
                == "{\"re\":null,\"error\":{\"code\":\"bad_request\",\"message\":\"a \\\"b\\\"\\n\"}}")
        #expect(
            text(ServerFrames.error([0x37], .unavailable("x")))
                == "{\"re\":7,\"error\":{\"code\":\"unavailable\",\"message\":\"x\",\"retry_ms\":\(Limits.unavailableRetryMilliseconds)}}"
        )
    }

    @Test("welcome as the protocol shows it")
    func welcome() throws {
        var welcome = ServerFrames.Welcome(
            user: try #require(UserID("100059")), session: try #require(SessionID("s-1")), node: "gw-1", epoch: "k3x9",
            seq: 44, last: "e44",
            resumed: true, resync: nil, unread: Unread(messages: 3, notifications: 2), pingMilliseconds: 25000)
        let head =
            "{\"ev\":\"welcome\",\"re\":1,\"user\":\"100059\",\"session\":\"s-1\",\"node\":\"gw-1\",\"epoch\":\"k3x9\","
        let tail =
            "\"unread\":{\"messages\":3,\"notifications\":2},\"ping_ms\":25000,"
            + "\"limits\":{\"frame_bytes\":65536,\"body_bytes\":16384,\"ops_per_s\":50}}"
        #expect(
            text(ServerFrames.welcome([0x31], welcome)) == head + "\"seq\":44,\"last\":\"e44\",\"resumed\":true," + tail
        )
        (welcome.seq, welcome.last, welcome.resumed, welcome.resync) = (0, "", false, .trimmed)
        #expect(
            text(ServerFrames.welcome([0x31], welcome)) == head + "\"seq\":0,\"resumed\":false,\"resync\":\"trimmed\","
                + tail)
    }

    @Test("carry what is opaque as it came")
    func opaque() throws {
        let data = Array(" {\"z\":1, \"a\":1.50,\"z\":\"\\u00e9\"}".utf8)
        let topic = try #require(Topic("t"))
        #expect(
            payload(ServerFrames.topic(topic, data: data[...]))
                == "{\"ev\":\"topic\",\"topic\":\"t\",\"data\":\(text(data))}")
        #expect(
            payload(ServerFrames.live(type: Array("\"a\\\"b\"".utf8)[...], data: data[...]))
                == "{\"ev\":\"live\",\"type\":\"a\\\"b\",\"data\":\(text(data))}")
        #expect(
            text(ServerFrames.page(epoch: "e", events: [data, data], head: 9, more: true, resync: nil))
                == "{\"epoch\":\"e\",\"events\":[\(text(data)),\(text(data))],\"head\":9,\"more\":true}")
        #expect(
            text(ServerFrames.page(epoch: "e", events: [], head: 9, more: false, resync: .idMismatch))
                == "{\"epoch\":\"e\",\"events\":[],\"head\":9,\"more\":false,\"resync\":\"id_mismatch\"}")
    }

    @Test("of presence are those of the vectors")
    func presence() throws {
        struct Row: Decodable {
            var frame: String
            var ev: String?
        }
        let user = try #require(UserID("100058"))
        let now: Int64 = 1_795_417_200_000
        let made = [
            ServerFrames.online(user, sinceMilliseconds: now), ServerFrames.offline(user, lastSeenMilliseconds: now),
            ServerFrames.offline(user, lastSeenMilliseconds: nil),
        ]
        let rows = try Vectors.load("server-frames", as: Row.self).filter { $0.ev == "presence" }
        #expect(made.map(text) == rows.map(\.frame))
    }

    @Test("of the node: behind, draining, expires, topic")
    func small() throws {
        #expect(text(ServerFrames.behind(head: 44)) == "{\"ev\":\"behind\",\"seq\":44}")
        #expect(
            text(ServerFrames.draining(reconnectMilliseconds: 1830)) == "{\"ev\":\"draining\",\"reconnect_ms\":1830}")
        #expect(text(ServerFrames.expires(1_893_456_000)) == "{\"expires\":1893456000}")
        #expect(text(ServerFrames.topic(try #require(Topic("a.b")))) == "{\"topic\":\"a.b\"}")
    }
}

@Suite("The JSON writer")
struct JSONWriterTests {
    @Test("puts commas where they belong, however things are nested")
    func commas() {
        let bytes = JSONWriter.object {
            $0.member("a", 1)
            $0.member("b", true)
            $0.member("c", "x")
            $0.member("d", object: { _ in })
            $0.member(
                "e",
                array: {
                    $0.element(text: "1")
                    $0.object { $0.member("f", Int64.min) }
                    $0.array { _ in }
                    $0.element([0x30])
                })
            $0.raw("g", Array("null".utf8))
            $0.member(dynamic: "h\"") { $0.array { $0.element(text: "") } }
            $0.member(unread: Unread(messages: 1, notifications: 2))
            $0.member(byCategory: ["b": 1, "a": 2, "\n": 3])
        }
        #expect(
            String(decoding: bytes, as: UTF8.self)
                == #"{"a":1,"b":true,"c":"x","d":{},"e":["1",{"f":-9223372036854775808},[],0],"g":null,"h\"":[""],"#
                + #""unread":{"messages":1,"notifications":2},"by_category":{"\n":3,"a":2,"b":1}}"#)
    }

    @Test("escapes what must be, and nothing else")
    func escapes() {
        #expect(
            JSONText.quoted("a\"\\/\n\r\t\u{8}\u{0}\u{1F}\u{7F}é雨😀\u{2028}") == #""a\"\\/\n\r\t\u0008\u0000\u001f"#
                + "\u{7F}é雨😀\u{2028}\"")
        for value in 0...0x2FF as ClosedRange<UInt32> {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = String(scalar)
            let back = try? JSONValue.document(Array(JSONText.quoted(text).utf8))
            #expect(back?.string == text)
        }
    }
}
