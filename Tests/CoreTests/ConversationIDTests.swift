import Core
import Testing

@Suite("Conversation ids")
struct ConversationIDTests {
    private func user(_ text: String) throws -> UserID { try #require(UserID(text)) }

    @Test("of two users have the two in byte order, whoever asks")
    func order() throws {
        for (one, other, text) in [
            ("100058", "100059", "d:100058:100059"), ("9", "10", "d:10:9"), ("a", "B", "d:B:a"), ("a", "a1", "d:a:a1"),
            ("~", "-", "d:-:~"),
        ] {
            let (one, other) = (try user(one), try user(other))
            for id in [ConversationID(between: one, and: other), ConversationID(between: other, and: one)] {
                #expect(id?.text == text && id?.description == text && id?.isGroup == false)
                #expect(id?.kind == .direct(lower: min(one, other), higher: max(one, other)))
            }
        }
        #expect(ConversationID(between: try user("a"), and: try user("a")) == nil)
    }

    @Test("have colons of user ids escaped, so that no two pairs share one")
    func colons() throws {
        #expect(ConversationID(between: try user("a"), and: try user("b:c"))?.text == "d:a:b%3Ac")
        #expect(ConversationID(between: try user("a:b"), and: try user("c"))?.text == "d:a%3Ab:c")
        #expect(ConversationID(between: try user(":"), and: try user("::"))?.text == "d:%3A:%3A%3A")
        let users = try ["a", "b", "a:", ":a", "a:b", "b:a", ":", "::", "a::b", "A", "3A", "a3A"].map { try user($0) }
        var seen: [String: Set<UserID>] = [:]
        for (index, one) in users.enumerated() {
            for other in users[(index + 1)...] {
                let id = try #require(ConversationID(between: one, and: other))
                #expect(seen.updateValue([one, other], forKey: id.text) == nil, "\(id) stands for two pairs")
            }
        }
    }

    @Test("are in the order of the users, not of how they are written")
    func escapedOrder() throws {
        // ':' comes after '9', '%' before '0': the escaped forms would stand the other way round.
        let id = try #require(ConversationID(between: try user("a:"), and: try user("a9")))
        #expect(id.text == "d:a9:a%3A")
        #expect(ConversationID("d:a%3A:a9") == nil)
    }

    @Test("are read back as they were written")
    func roundTrip() throws {
        let longest = [String(repeating: ":", count: 64), String(repeating: ":", count: 63) + "~"]
        let names = ["a", "b:c", "::", "100058", "x@y.z", "+=~-_"] + longest
        for (index, one) in names.enumerated() {
            for other in names[(index + 1)...] {
                let id = try #require(ConversationID(between: try user(one), and: try user(other)))
                #expect(id.text.utf8.count <= Limits.conversationBytesMax)
                #expect(ConversationID(id.text) == id)
                #expect(ConversationID(Substring(id.text)) == id)
            }
        }
        let id = try #require(ConversationID(between: try user(longest[0]), and: try user(longest[1])))
        #expect(id.text.utf8.count == Limits.conversationBytesMax - 2)
        let group = ConversationID.newGroup()
        #expect(ConversationID(group.text) == group && group.isGroup && group.kind == .group)
        #expect(ConversationID.newGroup() != group)
    }

    @Test(
        "that are written in another way are none",
        arguments: [
            "", "d", "d:", "d::", "d:a", "d:a:", "d::a", "d:a:a", "d:b:a", "d:a:b:c", "d:a:b:", ":a:b", "D:a:b", "a:b",
            "d:a%3a:b", "d:a%:b", "d:a%3:b", "d:a%3B:b", "d:a%253A:b", "d:%41:b", "d:a b:c", "d:a:é", "d:a:b\n",
            " d:a:b",
            "g", "g:", "g:a:b", "g:a.b", "g:a b", "g:é", "G:a", "g:" + String(repeating: "a", count: 49), "x:a",
            "d:" + String(repeating: "a", count: 65) + ":b",
        ])
    func refused(_ text: String) { #expect(ConversationID(text) == nil) }

    @Test("of groups have up to 48 characters after the prefix")
    func groups() {
        for token in ["a", "A-z_9", String(repeating: "a", count: 48)] {
            #expect(ConversationID("g:" + token)?.isGroup == true)
        }
    }

    @Test("of a group that a user makes with a cid are the same again, and of nobody else")
    func made() throws {
        let cids = try ["a", "b", "ab", "1", "-"].map { try #require(ClientMessageID($0)) }
        let users = try ["a", "b", "ab", "1", "-", "a:b"].map { try user($0) }
        var seen = Set<Substring>()
        for user in users {
            for cid in cids {
                let id = ConversationID.group(madeBy: user, cid: cid)
                #expect(id == ConversationID.group(madeBy: user, cid: cid))
                #expect(ConversationID(id.text) == id && id.isGroup)
                // Two fingerprints, each of which tells the pairs apart: 128 bits, so that no two of them meet by chance.
                for part in id.text.dropFirst(2).split(separator: "-") {
                    #expect(seen.insert(part).inserted, "\(user) and \(cid)")
                }
            }
        }
    }

    @Test("know the partner, and whom they exclude")
    func partners() throws {
        let (a, b, c) = (try user("a"), try user("b:x"), try user("c"))
        let direct = try #require(ConversationID(between: a, and: b))
        #expect(direct.partner(of: a) == b && direct.partner(of: b) == a && direct.partner(of: c) == nil)
        #expect(!direct.excludes(a) && !direct.excludes(b) && direct.excludes(c))
        let group = ConversationID.newGroup()
        #expect(group.partner(of: a) == nil && !group.excludes(a))
    }

    @Test("of messages, the client's own, are 1 to 64 letters, digits, _ and -")
    func clientMessageIDs() {
        for text in ["a", "0", "_", "-", "aZ09_-", String(repeating: "x", count: 64)] {
            #expect(ClientMessageID(text)?.text == text)
        }
        for text in ["", "a b", "a.b", "a:b", "é", "a\n", String(repeating: "x", count: 65)] {
            #expect(ClientMessageID(text) == nil)
        }
    }
}
