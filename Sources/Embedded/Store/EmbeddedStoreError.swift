import Core

/// Why an embedded store cannot be opened. The message names the setting (`APUS_DATA`), its value and the fix.
public struct EmbeddedStoreError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Reason: Hashable, Sendable {
        /// The folder cannot be made, or files in it cannot be made or written.
        case folderNotUsable
        /// Another node has this folder open.
        case inUse
        /// `apus.sqlite` is something else, or damaged.
        case notADatabase
        /// `apus.sqlite` was written by a later version of Apus.
        case newerSchema
        /// SQLite refuses for another reason, for example a full disk.
        case failed
    }

    public let reason: Reason
    public let folder: String
    /// What the system or SQLite said.
    public let detail: String

    public var description: String {
        let problem =
            switch reason {
            case .folderNotUsable:
                "the folder cannot be used (\(detail)); make it writable for this user, or choose another one"
            case .inUse:
                "the folder is in use by another node; stop that one, or give this one a folder of its own"
            case .notADatabase:
                "apus.sqlite is not a database of Apus (\(detail)); move the file away, or restore a backup"
            case .newerSchema:
                "apus.sqlite was written by a later version of Apus; start that version, or choose another folder"
            case .failed:
                "apus.sqlite cannot be opened (\(detail))"
            }
        return "APUS_DATA=\(folder): \(problem)"
    }
}
