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
        let code = Self.lock(descriptor)
        guard code == 0 else {
            close(descriptor)
            throw EmbeddedStoreError(
                reason: code == EWOULDBLOCK ? .inUse : .folderNotUsable, folder: folder.path, detail: Self.text(code))
        }
        self.descriptor = Mutex(descriptor)
    }

    /// Tries for a second: a node that is just ending may still hold the lock, and so does, for a moment, a child that
    /// it has forked and that has not yet become another program. - Returns: 0, or why not.
    private static func lock(_ descriptor: Int32) -> Int32 {
        for _ in 0..<20 {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return 0 }
            let code = errno
            guard code == EWOULDBLOCK || code == EINTR else { return code }
            usleep(50_000)
        }
        return EWOULDBLOCK
    }

    /// Lets others have the folder. Again: nothing.
    func release() {
        descriptor.withLock {
            guard let open = $0 else { return }
            // Explicitly, since a forked child may hold a copy of the descriptor for a moment.
            flock(open, LOCK_UN)
            close(open)
            $0 = nil
        }
    }

    deinit { release() }

    private static func text(_ code: Int32) -> String { String(cString: strerror(code)) }
}
