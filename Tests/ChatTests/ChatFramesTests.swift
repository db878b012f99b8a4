import ApusTesting
import Chat
import Core
import Testing
import Wire

@Suite("The frames of conversations")
struct ChatFramesTests {
    private let a = ChatValues.user("a")
    private let b = ChatValues.user("b:x")
    private let unread = Unread(messages: 3, notifications: 2)
    private let tail = ",\"unread\":{\"messages\":3,\"notifications\":2}}"
    private let body = Array("{ \"t\":\"é\\n\" }".utf8)

    private func frame(
        _ content: LogEntry.Content, for user: UserID, in conversation: String = "d:a:b%3Ax", unread: Unread? = nil,
        conversationUnread: Int? = nil
    ) -> String {
        let entry = LogEntry(
            position: EntryPosition(number: 9, id: "e-9"), timestampMilliseconds: 7, author: a, messages: 5,
            content: content)
        return ChatValues.text(
            ChatFrames.event(
                seq: 42, entry, in: ChatValues.conversation(conversation), for: user, unread: unread,
                conversationUnread: conversationUnread))
    }

    private func head(_ event: String, conversation: String = "d:a:b%3Ax") -> String {
        "{\"ev\":\"\(event)\",\"seq\":42,\"id\":\"e-9\",\"ts\":7,\"conv\":\"\(conversation)\","
    }

    // MARK: Entries

    @Test("of messages have the body as it came, and the cid only for the sender")
    func message() {
        let content = LogEntry.Content.message(cid: "c-1", body: body)
        #expect(
            frame(content, for: b, unread: unread)
                == head("message") + "\"n\":5,\"from\":\"a\",\"body\":{ \"t\":\"é\\n\" }" + tail)
        #expect(
            frame(content, for: a) == head("message")
                + "\"n\":5,\"from\":\"a\",\"cid\":\"c-1\",\"body\":{ \"t\":\"é\\n\" }}")
        #expect(
            frame(.message(cid: "c-1", body: nil), for: a)
                == head("message") + "\"n\":5,\"from\":\"a\",\"cid\":\"c-1\",\"recalled\":true}")
    }

    @Test("of edits, recalls and reactions name the message")
    func changes() {
        #expect(
            frame(.edited(n: 2, body: body), for: b)
                == head("message.edited") + "\"n\":2,\"from\":\"a\",\"body\":{ \"t\":\"é\\n\" }}")
        #expect(
            frame(.edited(n: 2, body: nil), for: b)
                == head("message.edited") + "\"n\":2,\"from\":\"a\",\"recalled\":true}")
        #expect(frame(.recalled(n: 2), for: b) == head("message.recalled") + "\"n\":2,\"from\":\"a\"}")
        #expect(
            frame(.reaction(n: 2, key: "\"\\👍", on: false), for: b)
                == head("reaction") + "\"n\":2,\"user\":\"a\",\"key\":\"\\\"\\\\👍\",\"on\":false}")
    }

    @Test("of read cursors have the counts only for the reader")
    func read() {
        let content = LogEntry.Content.read(n: 4, own: 1)
        #expect(frame(content, for: b) == head("read") + "\"user\":\"a\",\"n\":4}")
        #expect(
            frame(content, for: a, unread: unread, conversationUnread: 1)
                == head("read") + "\"user\":\"a\",\"n\":4,\"conv_unread\":1" + tail)
    }

    @Test("of groups tell what changed, by whom, and who is concerned")
    func groups() {
        let change = LogEntry.Content.group(GroupChange(kind: .created, title: "T \"1\"", users: [a, b]))
        #expect(
            frame(change, for: b, in: "g:x")
                == head("group", conversation: "g:x")
                + "\"change\":\"created\",\"by\":\"a\",\"title\":\"T \\\"1\\\"\",\"users\":[\"a\",\"b:x\"]}")
        let kinds = [("updated", GroupChange.Kind.updated), ("added", .added), ("removed", .removed), ("left", .left)]
        for (name, kind) in kinds {
            #expect(
                frame(.group(GroupChange(kind: kind, users: [])), for: b, in: "g:x", unread: unread)
                    == head("group", conversation: "g:x") + "\"change\":\"\(name)\",\"by\":\"a\",\"users\":[]" + tail)
        }
    }

    @Test("of a user's own settings, and of a reset")
    func personal() {
        let conversation = ChatValues.conversation("d:a:b%3Ax")
        #expect(
            ChatValues.text(
                ChatFrames.mute(seq: 42, id: "e-9", timestamp: 7, conversation: conversation, on: true, unread: unread))
                == head("mute") + "\"on\":true" + tail)
        #expect(
            ChatValues.text(
                ChatFrames.reset(seq: 42, id: "e-9", timestamp: 7, conversation: conversation, unread: unread))
                == head("conversation.reset").dropLast() + tail)
        #expect(
            ChatValues.text(ChatFrames.block(seq: 42, id: "e-9", timestamp: 7, user: b, on: false))
                == "{\"ev\":\"block\",\"seq\":42,\"id\":\"e-9\",\"ts\":7,\"user\":\"b:x\",\"on\":false}")
    }

    // MARK: Recalls

    @Test("lose the body by a recall and nothing else, as if the entry had had none")
    func withoutBody() {
        let deep = Array("{\"body\":{\"body\":1},\"unread\":{},\"x\":\"\\\"body\\\":\"}".utf8)
        for body in [body, deep, Array("{}".utf8)] {
            for user in [a, b] {
                for unread in [nil, unread] {
                    let with = frame(.message(cid: "c-1", body: body), for: user, unread: unread)
                    let without = frame(.message(cid: "c-1", body: nil), for: user, unread: unread)
                    #expect(ChatValues.text(ChatFrames.withoutBody(Array(with.utf8))) == without)
                    #expect(ChatValues.text(ChatFrames.withoutBody(Array(without.utf8))) == without)
                }
            }
            let edit = frame(.edited(n: 2, body: body), for: b)
            #expect(
                ChatValues.text(ChatFrames.withoutBody(Array(edit.utf8))) == frame(.edited(n: 2, body: nil), for: b))
        }
    }

    @Test("without a body come back as they are")
    func withoutAnything() {
        for text in [
            frame(.recalled(n: 2), for: b), frame(.reaction(n: 2, key: "body", on: true), for: b), "", "no JSON", "[1]",
        ] {
            #expect(ChatValues.text(ChatFrames.withoutBody(Array(text.utf8))) == text)
        }
    }

    // MARK: Answers

    @Test("of history have everything of a message, and leave out what it has not")
    func history() {
        let full = StoredMessage(
            n: 2, id: "m-2", timestampMilliseconds: 8, sender: a, cid: "c-2", body: body, editedMilliseconds: 9,
            reactions: [
                StoredMessage.Reaction(key: "👍", users: [b, a]), StoredMessage.Reaction(key: "\"", users: [a]),
            ])
        let bare = StoredMessage(n: 1, id: "m-1", timestampMilliseconds: 7, sender: b, cid: "c-1", body: nil)
        #expect(
            ChatValues.text(ChatFrames.history(HistoryPage(messages: [bare, full], more: true), for: a))
                == "{\"messages\":[{\"n\":1,\"id\":\"m-1\",\"ts\":7,\"from\":\"b:x\",\"recalled\":true},"
                + "{\"n\":2,\"id\":\"m-2\",\"ts\":8,\"from\":\"a\",\"cid\":\"c-2\",\"body\":{ \"t\":\"é\\n\" },\"edited\":9,"
                + "\"reactions\":{\"👍\":[\"b:x\",\"a\"],\"\\\"\":[\"a\"]}}],\"more\":true}")
        #expect(
            ChatValues.text(ChatFrames.history(HistoryPage(messages: [], more: false), for: a))
                == "{\"messages\":[],\"more\":false}")
    }

    private func shown(_ summary: ConversationSummary, _ membership: Membership?) -> String {
        ChatValues.text(JSONWriter.object { ChatFrames.write(summary, membership, for: b, to: &$0) })
    }

    @Test("of a direct conversation have no owner, and say when the partner is blocked")
    func direct() {
        let last = StoredMessage(n: 4, id: "m-4", timestampMilliseconds: 7, sender: b, cid: "c", body: body)
        var summary = ConversationSummary(
            conversation: ChatValues.conversation("d:a:b%3Ax"), members: [a, b], memberCount: 2, owner: nil,
            title: nil, head: EntryPosition(number: 9, id: "e"), messages: 4, last: last, readN: 1, readOwn: 0,
            own: 1, others: [ConversationSummary.MemberProgress(user: a, readN: 3, deliveredN: 4)], isBlocked: true)
        let start =
            "{\"conv\":\"d:a:b%3Ax\",\"kind\":\"direct\",\"members\":[\"a\",\"b:x\"],\"title\":null,"
            + "\"last\":{\"n\":4,\"id\":\"m-4\",\"ts\":7,\"from\":\"b:x\",\"cid\":\"c\",\"body\":{ \"t\":\"é\\n\" }},"
        let others = "\"others\":[{\"user\":\"a\",\"read_n\":3,\"delivered_n\":4}]}"
        #expect(
            shown(summary, nil) == start + "\"unread\":2,\"read_n\":1,\"muted\":false,\"blocked\":true," + others)
        // The user's own side knows better how far it has read: it was told first.
        let membership = Membership(
            conversation: summary.conversation, cursor: .start,
            counts: ConversationCounts(messages: 3, own: 0, readN: 3, readOwn: 0), isMuted: true)
        summary.isBlocked = false
        #expect(shown(summary, membership) == start + "\"unread\":0,\"read_n\":3,\"muted\":true," + others)
    }

    @Test("of a group have owner, title and the number of members")
    func group() {
        let summary = ConversationSummary(
            conversation: ChatValues.conversation("g:x"), members: [a], memberCount: 70, owner: a, title: "T\n",
            head: .start, messages: 0, last: nil, readN: 0, readOwn: 0, own: 0, others: [], isBlocked: false)
        #expect(
            shown(summary, nil)
                == "{\"conv\":\"g:x\",\"kind\":\"group\",\"members\":[\"a\"],\"member_count\":70,\"owner\":\"a\","
                + "\"title\":\"T\\n\",\"last\":null,\"unread\":0,\"read_n\":0,\"muted\":false,\"others\":[]}")
    }
}
