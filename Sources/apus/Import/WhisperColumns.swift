import Core

/// Where the columns stand that an import needs.
struct WhisperColumns: Hashable {
    private static let type: Int64 = 4
    /// How far in the future a time may lie: clocks differ, an export does not come from next week.
    private static let futureSeconds: Int64 = 86_400

    private let count: Int
    private let id: Int
    private let sender: Int
    private let receiver: Int
    private let type: Int
    private let content: Int
    private let isRead: Int
    private let createdOn: Int
    /// Tables of old versions have none of these two.
    private let isDeleted: Int?
    private let deletedOn: Int?
    private let newestSeconds: Int64

    /// - Throws: When a column is missing, or there twice.
    init(_ names: [String], path: String, nowSeconds: Int64) throws(ImportFileError) {
        let names = names.map { $0.lowercased() }
        func index(_ name: String) throws(ImportFileError) -> Int {
            guard let index = names.firstIndex(of: name) else {
                throw ImportFileError(
                    "\(path): has no column \(name); it has \(names.prefix(20).joined(separator: ", ")). Export p_message "
                        + "with a header line")
            }
            guard names.lastIndex(of: name) == index else {
                throw ImportFileError("\(path): has the column \(name) twice; export it once")
            }
            return index
        }
        count = names.count
        id = try index("id")
        sender = try index("sender_user_id")
        receiver = try index("receiver_user_id")
        type = try index("type")
        content = try index("content")
        isRead = try index("is_read")
        createdOn = try index("created_on")
        isDeleted = names.firstIndex(of: "is_del")
        deletedOn = names.firstIndex(of: "deleted_on")
        newestSeconds = nowSeconds + Self.futureSeconds
    }

    /// Judges a row.
    func whisper(_ row: SourceRow) -> Result<Whisper, Passed> {
        let fields = row.fields
        guard !row.isMalformed, fields.count == count, let type = Self.number(fields[type]) else {
            return .failure(Passed(.malformed))
        }
        guard type == Self.type else { return .failure(Passed(.otherType)) }
        let id = Self.number(fields[id])
        if [isDeleted, deletedOn].contains(where: { $0.map { Self.isSet(fields[$0]) } ?? false }) {
            return .failure(Passed(.deleted, id: id))
        }
        guard let id, id > 0 else { return .failure(Passed(.badID)) }
        guard let sender = Self.number(fields[sender]), let receiver = Self.number(fields[receiver]), sender > 0,
            receiver > 0
        else { return .failure(Passed(.badUser, id: id)) }
        guard sender != receiver else { return .failure(Passed(.toOneself, id: id)) }
        guard let created = Self.number(fields[createdOn]), 1...newestSeconds ~= created else {
            return .failure(Passed(.badTime, id: id))
        }
        guard let content = fields[content], String(validating: content, as: UTF8.self) != nil else {
            return .failure(Passed(.badContent, id: id))
        }
        guard Whisper.body(content).count <= Limits.bodyBytesMax else { return .failure(Passed(.tooLong, id: id)) }
        return .success(
            Whisper(
                id: id, sender: sender, receiver: receiver, createdSeconds: created, isRead: Self.isSet(fields[isRead]),
                content: content))
    }

    /// A row that is not imported.
    struct Passed: Error, Hashable {
        var reason: Whisper.Reason
        var id: Int64?

        init(_ reason: Whisper.Reason, id: Int64? = nil) {
            self.reason = reason
            self.id = id
        }
    }

    private static func number(_ field: [UInt8]?) -> Int64? {
        field.flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
    }

    /// A flag, or a time that is set: `mysql --batch` writes NULL as a word, PostgreSQL booleans as letters.
    private static func isSet(_ field: [UInt8]?) -> Bool {
        guard let field else { return false }
        return !["", "0", "NULL", "f", "false"].contains(String(decoding: field, as: UTF8.self))
    }
}
