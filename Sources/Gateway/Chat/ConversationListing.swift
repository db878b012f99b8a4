import Chat
import Core
import Wire

/// A user's conversations as the client gets them: the user's side gives order and cursors, each conversation the rest.
struct ConversationListing: Sendable {
    let node: NodeContext
    let user: UserID

    /// `{"conversations":[…],"cursor":…}`; fewer than `limit` when they would not fit into one answer.
    func page(before cursor: String?, limit: Int, _ done: @escaping Completion<[UInt8]>) {
        node.memberships.conversations(of: user, before: cursor, limit: limit) { result in
            switch result {
            case .failure(let error): done(.failure(error))
            case .success(let page): describe(page, before: cursor, limit, done)
            }
        }
    }

    private func describe(
        _ page: MembershipPage, before cursor: String?, _ limit: Int, _ done: @escaping Completion<[UInt8]>
    ) {
        node.conversations.summaries(of: page.memberships.map(\.conversation), for: user) { result in
            switch result {
            case .failure(let error): done(.failure(error))
            case .success(let summaries):
                let answer = write(page, summaries)
                guard answer.count > Limits.answerBytesMax, limit > 1 else { return done(.success(answer)) }
                self.page(before: cursor, limit: limit / 2, done)
            }
        }
    }

    private func write(_ page: MembershipPage, _ summaries: [ConversationSummary?]) -> [UInt8] {
        JSONWriter.object { writer in
            writer.member(
                "conversations",
                array: { list in
                    for case (let membership, let summary?) in zip(page.memberships, summaries) {
                        list.object { ChatFrames.write(summary, membership, for: user, to: &$0) }
                    }
                })
            if let cursor = page.cursor {
                writer.member("cursor", cursor)
            } else {
                writer.raw("cursor", Array("null".utf8))
            }
        }
    }

    /// One conversation, as `page` shows it; nil when it is none of the user's.
    func one(_ conversation: ConversationID, _ done: @escaping Completion<[UInt8]?>) {
        node.conversations.summaries(of: [conversation], for: user) { result in
            done(
                result.map { found in
                    found.first.flatMap { $0 }.map { summary in
                        JSONWriter.object { ChatFrames.write(summary, nil, for: user, to: &$0) }
                    }
                })
        }
    }
}
