import ApusTesting
import Core
import Foundation

@testable import Embedded

/// A store in a folder of its own. The folder's files are unlinked at once when `unlinked`, so that nothing stays behind
/// although nobody closes a store that a whole suite shares.
final class TemporaryStore: Sendable {
    let folder: URL
    let store: EmbeddedStore

    init(limits: StoreLimits = .standard, unlinked: Bool = true) throws {
        folder = try TestFolder.make("embedded")
        store = try EmbeddedStore(folder: folder, limits: limits)
        if unlinked { try FileManager.default.removeItem(at: folder) }
    }
}
