import Foundation
import Synchronization

/// Holds the folder for one node, by `flock` on `apus.lock` in it.
///
/// Two nodes on one file would each be right for SQLite and wrong for users: presence and bus live in the process.
/// The kernel drops the lock with the process, however it ends, so a crash leaves nothing to clean up.
final class FolderLock: Sendable {
    private let descriptor: Mutex<Int32?>

    /// Makes the folder when it is not there, and takes the lock.
    init(folder: URL) throws(EmbeddedStoreError) {
        do {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        } catch {
            let cause = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError).map {
                Self.text(Int32($0.code))
            }
            throw EmbeddedStoreError(
                reason: .folderNotUsable, folder: folder.path, detail: cause ?? error.localizedDescription)
        }
        let path = folder.appendingPathComponent("apus.lock").path
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw EmbeddedStoreError(reason: .folderNotUsable, folder: folder.path, detail: Self.text(errno))
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw EmbeddedStoreError(
                reason: code == EWOULDBLOCK ? .inUse : .folderNotUsable, folder: folder.path, detail: Self.text(code))
        }
        self.descriptor = Mutex(descriptor)
    }

    /// Lets others have the folder. Again: nothing.
    func release() {
        descriptor.withLock {
            if let open = $0 { close(open) }
            $0 = nil
        }
    }

    deinit { release() }

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
