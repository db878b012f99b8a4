import GRDB

import struct Foundation.Data

/// Records between two parties, each pair's in order, more of them than memory holds: for imports.
///
/// They stand in a SQLite database without a name, which stays in its cache while it fits, and spills into a file of the
/// temporary folder (`SQLITE_TMPDIR`, `TMPDIR`) that has no name either. Nothing outlives the process, however it ends.
public final class PairSorter: Sendable {
    public struct Record: Hashable, Sendable {
        /// Names the record, and orders those of the same `at`.
        public var id: Int64
        /// The two parties, the lower number first.
        public var low: Int64
        public var high: Int64
        /// What orders the records of a pair.
        public var at: Int64
        /// The caller's own.
        public var flags: Int64
        public var payload: [UInt8]

        public init(id: Int64, low: Int64, high: Int64, at: Int64, flags: Int64, payload: [UInt8]) {
            self.id = id
            self.low = low
            self.high = high
            self.at = at
            self.flags = flags
            self.payload = payload
        }

        public var place: Place { Place(at: at, id: id) }
    }

    /// Where a record stands among those of its pair.
    public struct Place: Hashable, Sendable, Comparable {
        public var at: Int64
        public var id: Int64

        public init(at: Int64, id: Int64) {
            self.at = at
            self.id = id
        }

        public static func < (a: Place, b: Place) -> Bool { (a.at, a.id) < (b.at, b.id) }
    }

    public struct Pair: Hashable, Sendable {
        /// 1, 2, 3 … in the order of the newest records, the pair that is quiet for the longest time first.
        public var rank: Int64
        public var low: Int64
        public var high: Int64
        public var records: Int
    }

    /// 64 MiB: some 300,000 short messages never touch the disk.
    private static let cacheKibibytes = 64 * 1024

    private let database: DatabaseQueue

    public init() throws(ScratchError) {
        var configuration = Configuration()
        configuration.label = "apus.sorter"
        configuration.prepareDatabase { db in
            // Nobody wants it back after a failure.
            try db.execute(sql: "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA temp_store = FILE")
            try db.execute(sql: "PRAGMA cache_size = -\(Self.cacheKibibytes)")
        }
        do {
            database = try DatabaseQueue(path: "", configuration: configuration)
            try database.write { db in
                try db.execute(
                    sql: """
                        CREATE TABLE records (
                            id INTEGER PRIMARY KEY, low INTEGER NOT NULL, high INTEGER NOT NULL, at INTEGER NOT NULL,
                            flags INTEGER NOT NULL, payload BLOB NOT NULL) STRICT
                        """)
            }
        } catch { throw ScratchError(error) }
    }

    /// Adds records. - Returns: The ids of those that were there already; the first one of an id is kept.
    public func add(_ records: [Record]) async throws -> [Int64] {
        try await run { db in
            try records.compactMap { record in
                let added = try db.run(
                    "INSERT OR IGNORE INTO records (id, low, high, at, flags, payload) VALUES (?, ?, ?, ?, ?, ?)",
                    [record.id, record.low, record.high, record.at, record.flags, Data(record.payload)])
                return added == 0 ? record.id : nil
            }
        }
    }

    /// Sorts. To be called once, after the last `add` and before anything is asked.
    /// - Returns: How many pairs there are, and how many parties.
    public func sort() async throws -> (pairs: Int, parties: Int) {
        try await run { db in
            // An index is built by merging sorted runs, which is what a B-tree filled in random order is not.
            try db.execute(sql: "CREATE INDEX records_order ON records (low, high, at, id)")
            try db.execute(
                sql: """
                    CREATE TABLE pairs (
                        rank INTEGER PRIMARY KEY, low INTEGER NOT NULL, high INTEGER NOT NULL, records INTEGER NOT NULL);
                    INSERT INTO pairs (low, high, records)
                        SELECT low, high, count(*) FROM records GROUP BY low, high ORDER BY max(at), low, high
                    """)
            let pairs: Int = try db.first("SELECT count(*) FROM pairs", [])?[0] ?? 0
            let parties: Int =
                try db.first("SELECT count(*) FROM (SELECT low FROM pairs UNION SELECT high FROM pairs)", [])?[0] ?? 0
            return (pairs, parties)
        }
    }

    /// Pairs in the order of their ranks; the first after rank 0.
    public func pairs(after rank: Int64, limit: Int) async throws -> [Pair] {
        try await run { db in
            try db.all(
                "SELECT rank, low, high, records FROM pairs WHERE rank > ? ORDER BY rank LIMIT ?", [rank, limit]
            ) { Pair(rank: $0[0], low: $0[1], high: $0[2], records: $0[3]) }
        }
    }

    /// Records of a pair in their order; from the first when no place is given.
    public func records(of pair: Pair, after place: Place?, limit: Int) async throws -> [Record] {
        let place = place ?? Place(at: .min, id: .min)
        return try await run { db in
            try db.all(
                """
                SELECT id, low, high, at, flags, payload FROM records INDEXED BY records_order
                WHERE low = ? AND high = ? AND (at, id) > (?, ?) ORDER BY at, id LIMIT ?
                """, [pair.low, pair.high, place.at, place.id, limit]
            ) {
                Record(id: $0[0], low: $0[1], high: $0[2], at: $0[3], flags: $0[4], payload: try $0.bytes(5))
            }
        }
    }

    /// Where a record of this pair stands; nil when the pair has none of this id.
    public func place(of id: Int64, in pair: Pair) async throws -> Place? {
        try await run { db in
            try db.first("SELECT at FROM records WHERE id = ? AND low = ? AND high = ?", [id, pair.low, pair.high])
                .map { Place(at: $0[0], id: id) }
        }
    }

    private func run<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        do { return try await database.write(body) } catch let error as DatabaseError { throw ScratchError(error) }
    }
}

/// The temporary folder cannot hold what is to be sorted.
public struct ScratchError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    init(_ error: any Error) {
        let detail = (error as? DatabaseError).map { $0.message ?? "\($0.extendedResultCode)" } ?? "\(error)"
        description =
            "sorting in the temporary folder failed (\(detail)); set SQLITE_TMPDIR to a folder that can be written and has "
            + "room for the whole file"
    }
}
