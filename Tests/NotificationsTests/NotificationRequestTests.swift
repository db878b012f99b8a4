import ApusTesting
import Core
import Notifications
import Testing
import Wire

/// 2026-11-23T00:00:00Z: when every request of these tests arrives.
private let now: Int64 = 1_795_392_000_000

private func parse(
    _ body: String, recipient: String? = nil, fallbackID: String? = nil, headers: [String: String] = [:]
) throws(ApusError) -> NotificationRequest {
    try NotificationRequest.parse(
        Array(body.utf8),
        NotificationEnvelope(recipient: recipient, fallbackID: fallbackID, cloudEvent: headers, nowMilliseconds: now))
}

private func refusal(
    _ body: String, recipient: String? = nil, fallbackID: String? = nil, headers: [String: String] = [:]
) -> ApusError? {
    do {
        _ = try parse(body, recipient: recipient, fallbackID: fallbackID, headers: headers)
        return nil
    } catch { return error }
}

extension NotificationRequest {
    fileprivate var rest: String { String(decoding: notification.rest, as: UTF8.self) }
    fileprivate var to: [String] { recipients.map(\.text) }
}

@Suite("A notification in its three forms")
struct NotificationFormTests {
    @Test("plain")
    func plain() throws {
        let request = try parse(
            """
            {"id":"like-1","type":"post.liked","category":"like","to":"100059","collapse":"post:9","ttl_s":60,"push":true,
             "traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
             "actor":{"id":"100058","name":"alice"},"object":{"type":"post","id":"9","url":"/p/9"},"data":{ "n" : 1.50 }}
            """)
        #expect(request.to == ["100059"])
        let notification = request.notification
        #expect(
            notification.id.text == "like-1" && notification.category == "like" && notification.collapse == "post:9")
        #expect(notification.timestampMilliseconds == now && notification.expiresAtMilliseconds == now + 60_000)
        #expect(
            request.rest
                == #""type":"post.liked","category":"like","ts":1795392000000,"actor":{"id":"100058","name":"alice"},"#
                + #""object":{"type":"post","id":"9","url":"/p/9"},"data":{ "n" : 1.50 }"#)
    }

    @Test("plain, with nothing but a type")
    func least() throws {
        let request = try parse("{\"type\":\"x\"}", recipient: "bob")
        #expect(request.to == ["bob"] && request.rest == "\"type\":\"x\",\"category\":\"x\",\"ts\":\(now)")
        let notification = request.notification
        #expect(
            notification.collapse == nil && notification.expiresAtMilliseconds == nil
                && notification.id.text.count == 26)
        #expect(try parse("{\"type\":\"x\"}", recipient: "bob").notification.id != notification.id)
    }

    @Test("as a structured CloudEvent: a message of paopao-ce, its record unchanged as data")
    func paopaoMessage() throws {
        let data =
            #"{"id":16000041,"sender_user_id":100058,"receiver_user_id":100059,"type":2,"brief":"在泡泡中评论了你","content":"","post_id":1080018001,"comment_id":6001740,"reply_id":0,"is_read":0,"created_on":1795417200}"#
        let request = try parse(
            """
            {"specversion":"1.0","id":"p_message:16000041","source":"//paopao.example/web","type":"com.paopao.message.created","subject":"user/100059","time":"2026-11-23T07:00:00Z",
             "data":\(data)}
            """)
        #expect(request.to == ["100059"])
        #expect(
            request.notification.id.text == "p_message:16000041"
                && request.notification.category == "com.paopao.message")
        #expect(request.notification.timestampMilliseconds == 1_795_417_200_000)
        #expect(
            request.rest == #""type":"com.paopao.message.created","category":"com.paopao.message","ts":1795417200000,"#
                + #""source":"//paopao.example/web","data":"# + data)
    }

    @Test("as a structured CloudEvent: a star of paopao-ce, without a time")
    func paopaoStar() throws {
        let request = try parse(
            """
            {"specversion":"1.0","id":"star:1080018001:100058","source":"//paopao.example/web","type":"com.paopao.post.starred","subject":"user/100059",
             "data":{"post_id":1080018001,"user_id":100058,"post_user_id":100059,"upvote_count":7,"created_on":1795417201}}
            """)
        #expect(request.to == ["100059"])
        #expect(
            request.notification.id.text == "star:1080018001:100058"
                && request.notification.timestampMilliseconds == now)
        #expect(
            request.rest == #""type":"com.paopao.post.starred","category":"com.paopao.post","ts":1795392000000,"#
                + #""source":"//paopao.example/web","data":{"post_id":1080018001,"user_id":100058,"post_user_id":100059,"upvote_count":7,"created_on":1795417201}"#
        )
    }

    @Test(
        "as a binary CloudEvent whose headers are quoted and percent-encoded, once",
        arguments: [
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"), ("%61%2541", "a%41"), ("plain", "plain"),
            ("\"a b\"", "a b"), ("\"a\\\\%20b\\\"\"", "a\\ b\""), ("a\"b", "a\"b"), ("\"", "\""), ("%e2%82%ac", "€"),
        ])
    func binaryEncoding(header: String, source: String) throws {
        let headers = ["specversion": "1.0", "id": "e-1", "source": header, "type": "%74", "subject": "user%2Fbob"]
        let request = try parse("", headers: headers)
        #expect(request.to == ["bob"])
        let rest = try JSONObject(Array("{\(request.rest)}".utf8))
        #expect(rest["source"]?.string == source && rest["type"]?.string == "t")
    }

    @Test("as a binary CloudEvent: attributes in headers, the body is data")
    func binary() throws {
        let headers = [
            "specversion": "1.0", "id": "e-1", "source": "/web", "type": "post.liked", "subject": "user/100059",
            "time": "2026-11-23T08:00:00+01:00", "collapse": "post:9", "ttls": "60",
        ]
        let request = try parse(" [1, {\"a\":\"b\"}] ", headers: headers)
        #expect(request.to == ["100059"])
        let notification = request.notification
        #expect(notification.id.text == "e-1" && notification.category == "post" && notification.collapse == "post:9")
        #expect(
            notification.timestampMilliseconds == 1_795_417_200_000
                && notification.expiresAtMilliseconds == now + 60_000)
        #expect(
            request.rest
                == #""type":"post.liked","category":"post","ts":1795417200000,"source":"/web","data":[1, {"a":"b"}]"#)
        // A body that looks like another form is data all the same.
        let odd = try parse("{\"specversion\":\"9\",\"to\":\"eve\"}", headers: headers)
        #expect(odd.to == ["100059"] && odd.rest.hasSuffix("\"data\":{\"specversion\":\"9\",\"to\":\"eve\"}"))
        #expect(try parse("", headers: headers).rest.hasSuffix("\"source\":\"/web\""))
    }

    @Test("takes null for absent")
    func nulls() throws {
        let request = try parse(
            #"{"id":null,"type":"a.b","to":null,"category":null,"collapse":null,"ttl_s":null,"push":null,"traceparent":null,"actor":null,"object":null,"data":null}"#,
            recipient: "bob", fallbackID: "f-1")
        #expect(
            request.notification.id.text == "f-1" && request.rest == "\"type\":\"a.b\",\"category\":\"a\",\"ts\":\(now)"
        )
    }

    @Test(
        "carries data, actor and object byte for byte",
        arguments: [
            "{}", "{ \"b\":1,\"a\" : [ 1.0,1e5 ] }", "{\"k\":1,\"k\":2}", "{\"é\":\"\\u00e9\\/\\ud83d\\ude00\"}",
            "{\"n\":12345678901234567890123}",
            "{\n\t\"deep\": {\"er\": [[[]]]}\r\n}",
        ])
    func opaque(json: String) throws {
        let rest = try parse(
            "{\"type\":\"t\",\"actor\": \(json) ,\"object\":\(json),\"data\":\n\(json)\n}", recipient: "bob"
        ).rest
        #expect(
            rest
                == "\"type\":\"t\",\"category\":\"t\",\"ts\":\(now),\"actor\":\(json),\"object\":\(json),\"data\":\(json)"
        )
        let headers = ["specversion": "1.0", "source": "s", "type": "t", "subject": "bob"]
        #expect(try parse("\t\(json) ", headers: headers).rest.hasSuffix(",\"data\":\(json)"))
    }

    @Test("may have any JSON as data", arguments: ["0", "\"text\"", "true", "[null]", "false"])
    func anyData(json: String) throws {
        #expect(try parse("{\"type\":\"t\",\"data\":\(json)}", recipient: "bob").rest.hasSuffix(",\"data\":\(json)"))
    }

    @Test("is read from an item of a batch as from a body of its own")
    func item() throws {
        let envelope = NotificationEnvelope(nowMilliseconds: now)
        let text = #"{"id":"1","type":"t","to":"bob","data":{"a":1}}"#
        let batch = try JSONValue.document(Array("[\(text)]".utf8))
        let object = try #require(batch.array?[0].object)
        #expect(try NotificationRequest.parse(object, envelope) == parse(text))
    }

    @Test("is written into JSON that can be read again, whatever its type and category are")
    func quoting() throws {
        let request = try parse("{\"type\":\"a\u{2028}é/😀.x\",\"data\":1}", recipient: "bob")
        let item = try JSONObject(
            EventFrames.item(id: request.notification.id.text, rest: request.notification.rest, read: false))
        #expect(item["type"]?.string == "a\u{2028}é/😀.x" && item["category"]?.string == "a\u{2028}é/😀")
        #expect(
            item["id"]?.string == request.notification.id.text && item["read"]?.bool == false
                && item["data"]?.integer == 1)
    }
}

@Suite("A notification's defaults")
struct NotificationDefaultTests {
    @Test(
        "its category is the part of the type before the last dot",
        arguments: [
            ("post.liked", "post"), ("com.paopao.message.created", "com.paopao.message"), ("liked", "liked"),
            (".liked", ".liked"),
            ("post.", "post"), ("a..b", "a."), (".", "."),
        ])
    func category(type: String, expected: String) throws {
        #expect(try parse("{\"type\":\"\(type)\"}", recipient: "bob").notification.category == expected)
    }

    @Test("its category is cut to what a category may have, between characters")
    func longCategory() throws {
        func category(_ type: String) throws -> String {
            try parse("{\"type\":\"\(type)\"}", recipient: "bob").notification.category
        }
        #expect(try category(String(repeating: "a", count: 100) + ".x") == String(repeating: "a", count: 64))
        #expect(try category(String(repeating: "雨", count: 30) + ".x") == String(repeating: "雨", count: 21))
    }

    @Test("its id is its own, else the transport's, else a new one")
    func id() throws {
        #expect(
            try parse("{\"type\":\"t\",\"id\":\"own\"}", recipient: "bob", fallbackID: "transport").notification.id.text
                == "own")
        #expect(
            try parse("{\"type\":\"t\"}", recipient: "bob", fallbackID: "transport").notification.id.text == "transport"
        )
        #expect(
            try parse("", headers: ["specversion": "1.0", "source": "s", "type": "t", "subject": "b"]).notification.id
                .text.count == 26)
    }

    @Test("a refused id of the transport is named, too")
    func badFallback() {
        #expect(refusal("{\"type\":\"t\"}", recipient: "bob", fallbackID: "a\"b")?.message.hasPrefix("id:") == true)
    }
}

@Suite("A notification's recipients")
struct RecipientTests {
    private func to(_ body: String, recipient: String? = nil, headers: [String: String] = [:]) throws -> [String] {
        try parse(body, recipient: recipient, headers: headers).to
    }

    @Test("are the subject's user, or to, or the event's subject")
    func sources() throws {
        #expect(try to("{\"type\":\"t\"}", recipient: "bob") == ["bob"])
        #expect(try to("{\"type\":\"t\",\"to\":\"bob\"}") == ["bob"])
        #expect(try to("{\"type\":\"t\",\"to\":[\"bob\",\"eve\"]}") == ["bob", "eve"])
        let event = "\"specversion\":\"1.0\",\"source\":\"s\",\"type\":\"t\""
        #expect(try to("{\(event),\"subject\":\"bob\"}") == ["bob"])
        #expect(try to("{\(event),\"subject\":\"user/bob\"}") == ["bob"])
        #expect(try to("{\(event),\"subject\":\"user/bob\",\"to\":[\"eve\"]}") == ["eve"])
        #expect(try to("{\(event),\"subject\":\"user/bob\"}", recipient: "eve") == ["eve"])
        let headers = ["specversion": "1.0", "source": "s", "type": "t", "subject": "user/bob"]
        #expect(try to("", headers: headers) == ["bob"])
        #expect(try to("", recipient: "eve", headers: headers) == ["eve"])
        #expect(try to("", headers: headers.merging(["to": "a, b ,c"]) { $1 }) == ["a", "b", "c"])
    }

    @Test("are each named once, in their order")
    func once() throws {
        #expect(try to("{\"type\":\"t\",\"to\":[\"b\",\"a\",\"b\",\"a\",\"c\"]}") == ["b", "a", "c"])
    }

    @Test("may be named by the subject and by to, when both say the same")
    func both() throws {
        #expect(try to("{\"type\":\"t\",\"to\":\"bob\"}", recipient: "bob") == ["bob"])
        #expect(refusal("{\"type\":\"t\",\"to\":\"eve\"}", recipient: "bob")?.message.hasPrefix("to:") == true)
        #expect(
            refusal("{\"type\":\"t\",\"to\":[\"bob\",\"eve\"]}", recipient: "bob")?.message.hasPrefix("to:") == true)
    }

    @Test("are 1,000 at most")
    func many() throws {
        func body(_ count: Int) -> String {
            "{\"type\":\"t\",\"to\":[\((0..<count).map { "\"u\($0)\"" }.joined(separator: ","))]}"
        }
        #expect(try to(body(Limits.recipientsMax)).count == 1000)
        #expect(refusal(body(Limits.recipientsMax + 1))?.message.hasPrefix("to:") == true)
        let headers = [
            "specversion": "1.0", "source": "s", "type": "t", "to": (0...1000).map { "u\($0)" }.joined(separator: ","),
        ]
        #expect(refusal("", headers: headers)?.code == .badRequest)
    }

    @Test(
        "that are no user ids are refused, with the index among several",
        arguments: [
            "\"\"", "\"a b\"", "\"a*\"", "\"a>\"", "\"a{b}\"", "\"\\u0000\"", "\"é\"", "\"a/b\"",
            "\"\(String(repeating: "a", count: 65))\"",
        ])
    func bad(name: String) throws {
        #expect(refusal("{\"type\":\"t\",\"to\":\(name)}")?.message.hasPrefix("to:") == true)
        #expect(refusal("{\"type\":\"t\",\"to\":[\"bob\",\(name)]}")?.message.hasPrefix("to[1]:") == true)
        let plain = String(name.dropFirst().dropLast())
        #expect(refusal("{\"type\":\"t\"}", recipient: plain)?.code == .badRequest)
    }

    @Test("must be there")
    func none() {
        for body in [
            "{\"type\":\"t\"}", "{\"type\":\"t\",\"to\":[]}",
            "{\"specversion\":\"1.0\",\"source\":\"s\",\"type\":\"t\"}",
        ] {
            #expect(refusal(body)?.message == "to: names no recipient", "\(body)")
        }
        #expect(
            refusal("", headers: ["specversion": "1.0", "source": "s", "type": "t"])?.message
                == "ce-subject: names no recipient")
        // A subject of another kind is no recipient.
        #expect(
            refusal("{\"specversion\":\"1.0\",\"source\":\"s\",\"type\":\"t\",\"subject\":\"post/9\"}")?.message
                .hasPrefix("to:") == true)
    }
}

@Suite("A bad notification")
struct BadNotificationTests {
    @Test(
        "is refused by the name of the field that is wrong",
        arguments: [
            ("type", "1"), ("type", "\"\""), ("type", "\"a\\\"b\""), ("type", "\"a\\nb\""), ("type", "null"),
            ("id", "7"), ("id", "\"\""), ("id", "\"a\\\\b\""),
            ("category", "1"), ("category", "\"\""), ("category", "\"a\\u0000\""), ("collapse", "true"),
            ("collapse", "\"\""), ("collapse", "\"\\\"\""),
            ("ttl_s", "0"), ("ttl_s", "-1"), ("ttl_s", "1.5"), ("ttl_s", "\"60\""), ("ttl_s", "31536001"),
            ("ttl_s", "9223372036854775807"),
            ("push", "1"), ("push", "\"yes\""), ("traceparent", "1"), ("actor", "\"alice\""), ("actor", "[]"),
            ("object", "7"), ("to", "7"), ("to", "{}"),
        ])
    func fields(name: String, value: String) throws {
        let type = name == "type" ? "" : "\"type\":\"t\","
        let to = name == "to" ? "" : "\"to\":\"bob\","
        let error = try #require(refusal("{\(type)\(to)\"\(name)\":\(value)}"))
        #expect(error.code == .badRequest && error.message.hasPrefix("\(name):"), "\(error)")
        // The same in a CloudEvent.
        let event = try #require(refusal("{\"specversion\":\"1.0\",\"source\":\"s\",\(type)\(to)\"\(name)\":\(value)}"))
        #expect(event == error)
    }

    @Test(
        "has names of a limited length", arguments: [("type", 128), ("category", 64), ("collapse", 128), ("id", 128)])
    func lengths(name: String, bytes: Int) {
        func body(_ count: Int) -> String {
            let value = "\"\(name)\":\"\(String(repeating: "a", count: count))\""
            return name == "type" ? "{\(value)}" : "{\"type\":\"t\",\(value)}"
        }
        #expect(refusal(body(bytes), recipient: "bob") == nil)
        #expect(refusal(body(bytes + 1), recipient: "bob")?.message.hasPrefix("\(name):") == true)
    }

    @Test(
        "is no CloudEvent of version 1.0",
        arguments: [
            ("\"specversion\":\"0.3\",\"source\":\"s\"", "specversion"),
            ("\"specversion\":1.0,\"source\":\"s\"", "specversion"),
            ("\"specversion\":null,\"source\":\"s\"", "specversion"), ("\"specversion\":\"1.0\"", "source"),
            ("\"specversion\":\"1.0\",\"source\":\"\"", "source"), ("\"specversion\":\"1.0\",\"source\":7", "source"),
            ("\"specversion\":\"1.0\",\"source\":\"s\",\"time\":\"yesterday\"", "time"),
            ("\"specversion\":\"1.0\",\"source\":\"s\",\"time\":1", "time"),
            ("\"specversion\":\"1.0\",\"source\":\"s\",\"subject\":1", "subject"),
            ("\"specversion\":\"1.0\",\"source\":\"s\",\"data_base64\":\"AA==\"", "data_base64"),
        ])
    func events(attributes: String, name: String) throws {
        let error = try #require(refusal("{\(attributes),\"type\":\"t\",\"to\":\"bob\"}"))
        #expect(error.code == .badRequest && error.message.hasPrefix("\(name):"), "\(error)")
    }

    @Test(
        "is refused by the header that is wrong",
        arguments: [
            ("specversion", "0.3", "ce-specversion"), ("source", "", "ce-source"), ("ttls", "soon", "ce-ttls"),
            ("ttl_s", "1.5", "ce-ttls"),
            ("ttls", "0", "ttl_s"), ("ttls", "99999999999", "ttl_s"), ("time", "now", "time"), ("type", "", "type"),
            ("type", "a\"b", "type"),
            ("category", "", "category"), ("collapse", "a\u{1}", "collapse"), ("id", "", "id"),
            ("subject", "user/", "ce-subject"),
            ("subject", "a b", "ce-subject"), ("to", "a,,b c", "ce-subject"),
        ])
    func headers(name: String, value: String, named: String) throws {
        var headers = ["specversion": "1.0", "source": "s", "type": "t", "subject": "bob"]
        headers[name] = value
        let error = try #require(refusal("{}", headers: headers))
        #expect(error.code == .badRequest && error.message.hasPrefix(named), "\(error)")
    }

    @Test("is refused by the header that is no percent-encoded UTF-8", arguments: ["100%", "%zz", "%C0%A0", "\"%\""])
    func badEncoding(value: String) throws {
        let headers = ["specversion": "1.0", "source": "s", "type": "t", "subject": "bob", "other": value]
        let error = try #require(refusal("{}", headers: headers))
        #expect(error.code == .badRequest && error.message.hasPrefix("ce-other:"), "\(error)")
    }

    @Test("is refused without source or type in its headers")
    func missingHeaders() {
        #expect(
            refusal("{}", headers: ["specversion": "1.0", "type": "t", "subject": "bob"])?.message.hasPrefix(
                "ce-source:") == true)
        #expect(
            refusal("{}", headers: ["specversion": "1.0", "source": "s", "subject": "bob"])?.message.hasPrefix("type:")
                == true)
    }

    @Test(
        "is no JSON object",
        arguments: [
            "", " ", "[]", "\"x\"", "{\"type\":\"t\"", "{\"type\":\"t\",\"type\":\"u\"}", "{\"type\":\"\\ud800\"}",
            "{} {}",
        ])
    func noJSON(body: String) throws {
        let error = try #require(refusal(body, recipient: "bob"))
        #expect(error.code == .badRequest)
        #expect(
            refusal("{\"a\":", headers: ["specversion": "1.0", "source": "s", "type": "t", "subject": "b"])?.message
                .contains("data") == true)
    }

    @Test("is nested deeper than 32")
    func deep() {
        func body(_ depth: Int) -> String {
            "{\"type\":\"t\",\"data\":\(String(repeating: "[", count: depth))\(String(repeating: "]", count: depth))}"
        }
        #expect(refusal(body(31), recipient: "bob") == nil)
        #expect(refusal(body(32), recipient: "bob")?.code == .badRequest)
    }

    @Test("has more than 64 KiB")
    func large() {
        func body(_ bytes: Int) -> String {
            "{\"type\":\"t\",\"data\":\"\(String(repeating: "x", count: bytes - 22))\"}"
        }
        #expect(body(100).utf8.count == 100)
        #expect(refusal(body(Limits.notificationBytesMax), recipient: "bob") == nil)
        #expect(refusal(body(Limits.notificationBytesMax + 1), recipient: "bob")?.code == .tooLarge)
    }
}
