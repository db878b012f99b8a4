import Core
import Foundation
import GRDB
import Notifications
import Presence
import Timelines

/// The stores of a node that needs no other server: timelines, inboxes and conversations in a SQLite file, presence in
/// memory.
///
/// The file is in WAL mode with `synchronous=FULL`: what was answered survives the loss of power, if the disk honours
/// fsync (GUARANTEES, "What they rest on"). All access goes through one writer (`GroupCommit`), so calls are applied in
/// the order in which they were made, reads among them.
public final class EmbeddedStore: Sendable {
    let limits: StoreLimits
    let group: GroupCommit
    let directory: SessionDirectory
    let time: any TimeSource
    private let lock: FolderLock

    /// Opens the store in `folder`, which is made when it is not there: `apus.sqlite` (with `-wal` and `-shm` while it
    /// is open) and `apus.lock`.
    ///
    /// - Throws: `EmbeddedStoreError`, whose text is for the operator.
    public convenience init(
        folder: URL, limits: StoreLimits = .standard, time: any TimeSource = SystemTime()
    ) throws {
        try self.init(folder: folder, limits: limits, time: time, waitingMax: GroupCommit.waitingMax)
    }

    /// - Parameter waitingMax: For tests of the bound.
    init(folder: URL, limits: StoreLimits, time: any TimeSource, waitingMax: Int) throws(EmbeddedStoreError) {
        lock = try FolderLock(folder: folder)
        self.limits = limits
        self.time = time
        group = GroupCommit(try Self.openDatabase(in: folder), waitingMax: waitingMax)
        directory = SessionDirectory(time: time)
    }

    /// Answers what waits, closes the file and leaves the folder to others. Later calls fail with `.notStored`.
    public func close() async {
        if await group.close() { lock.release() }
    }

    private static func openDatabase(in folder: URL) throws(EmbeddedStoreError) -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "apus.store"
        configuration.journalMode = .wal
        // Somebody may look into the file with a tool; nobody else may write for long.
        configuration.busyMode = .timeout(1)
        do {
            let path = folder.appendingPathComponent("apus.sqlite").path
            let database = try DatabaseQueue(path: path, configuration: configuration)
            let migrator = Schema.migrator
            if try database.read(migrator.hasBeenSuperseded) {
                throw EmbeddedStoreError(reason: .newerSchema, folder: folder.path, detail: "")
            }
            try database.writeWithoutTransaction { db in
                // GRDB sets NORMAL in WAL mode, which may lose what was answered when the power fails.
                try db.execute(sql: "PRAGMA synchronous = FULL; PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1")
                try db.execute(sql: "PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY")
                // Zeros what is deleted inside a page that is written anyway, so it costs no I/O. ON would write freed
                // pages too, and still leave copies where SQLite has moved rows: `BodyTable` does not rest on either.
                try db.execute(sql: "PRAGMA secure_delete = FAST")
            }
            try migrator.migrate(database)
            return database
        } catch let error as EmbeddedStoreError {
            throw error
        } catch {
            throw openingError(error, folder: folder.path)
        }
    }

    private static func openingError(_ error: any Error, folder: String) -> EmbeddedStoreError {
        guard let error = error as? DatabaseError else {
            return EmbeddedStoreError(reason: .failed, folder: folder, detail: "\(error)")
        }
        let reason: EmbeddedStoreError.Reason =
            switch error.resultCode {
            case .SQLITE_NOTADB, .SQLITE_CORRUPT, .SQLITE_ERROR: .notADatabase
            case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM: .folderNotUsable
            default: .failed
            }
        return EmbeddedStoreError(
            reason: reason, folder: folder, detail: error.message ?? "\(error.extendedResultCode)")
    }
}
