import Chat
import Core

/// Values that are valid as they stand in the tests.
enum ChatValues {
    static func user(_ text: String) -> UserID {
        guard let user = UserID(text) else { preconditionFailure("\(text) is no user id") }
        return user
    }

    static func conversation(_ text: String) -> ConversationID {
        guard let conversation = ConversationID(text) else { preconditionFailure("\(text) is no conversation id") }
        return conversation
    }

    static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
