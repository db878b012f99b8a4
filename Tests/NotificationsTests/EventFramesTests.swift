import Core
import Notifications
import Testing
import Wire

@Suite("The frames of notifications")
struct EventFramesTests {
    private let unread = Unread(messages: 3, notifications: 2)

    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test("are what the protocol shows")
    func notification() throws {
        let notification = Notification(
            id: try #require(EventID("n-1")), category: "like", collapse: nil, expiresAtMilliseconds: nil,
            timestampMilliseconds: 7,
            rest: Array("\"type\":\"t\",\"data\":{}".utf8))
        let tail = "\"unread\":{\"messages\":3,\"notifications\":2}}"
        #expect(
            text(EventFrames.notification(seq: 42, notification, item: "n-1", updated: false, unread: unread))
                == "{\"ev\":\"notification\",\"seq\":42,\"id\":\"n-1\",\"ts\":7,\"notification\":{\"id\":\"n-1\",\"type\":\"t\",\"data\":{},\"read\":false},"
                + tail)
        #expect(
            text(EventFrames.notification(seq: 43, notification, item: "n-0", updated: true, unread: unread))
                == "{\"ev\":\"notification.updated\",\"seq\":43,\"id\":\"n-1\",\"ts\":7,\"notification\":{\"id\":\"n-0\",\"type\":\"t\",\"data\":{},\"read\":false},"
                + tail)
        #expect(
            text(
                EventFrames.retracted(seq: 44, id: "r-1", timestamp: 8, item: "n-0", reason: "expired", unread: unread))
                == "{\"ev\":\"notification.retracted\",\"seq\":44,\"id\":\"r-1\",\"ts\":8,\"notification\":{\"id\":\"n-0\"},\"reason\":\"expired\","
                + tail)
    }

    @Test("of inbox.read tell what was selected")
    func inboxRead() throws {
        let id = try #require(EventID("r-1"))
        func frame(_ selection: ReadSelection, _ category: String? = nil) -> String {
            text(
                EventFrames.inboxRead(
                    seq: 5, id: id, timestamp: 8, selection: selection, category: category, unread: unread))
        }
        let (head, tail) = (
            "{\"ev\":\"inbox.read\",\"seq\":5,\"id\":\"r-1\",\"ts\":8,",
            ",\"unread\":{\"messages\":3,\"notifications\":2}}"
        )
        #expect(frame(.ids(["a", "b"])) == head + "\"ids\":[\"a\",\"b\"]" + tail)
        #expect(frame(.ids([])) == head + "\"ids\":[]" + tail)
        #expect(frame(.upTo("a")) == head + "\"up_to\":\"a\"" + tail)
        #expect(frame(.all, "like") == head + "\"all\":true,\"category\":\"like\"" + tail)
        #expect(throws: Never.self) { try JSONObject(Array(frame(.ids(["é😀"]), "雨").utf8)) }
    }
}
