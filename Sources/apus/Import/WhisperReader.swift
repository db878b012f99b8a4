import Core
import Embedded

/// Reads a file once and puts its whispers into the sorter.
struct WhisperReader {
    /// A whisper of the sorter, without its file.
    struct Flags {
        static let sentByLow: Int64 = 1
        static let isRead: Int64 = 2
    }

    var source: any RowSource
    let columns: WhisperColumns
    let sorter: PairSorter
    let progress: ImportProgress

    /// - Throws: `ImportFileError` when the file cannot be read as such.
    mutating func read() async throws {
        while true {
            let rows = try await source.next()
            guard !rows.isEmpty else { break }
            try await take(rows)
        }
        let (pairs, parties) = try await sorter.sort()
        progress.change { ($0.conversations, $0.users, $0.isSorted) = (pairs, parties, true) }
    }

    private func take(_ rows: [SourceRow]) async throws {
        var counts = ImportCounts()
        var records: [PairSorter.Record] = []
        var places: [Int64: String] = [:]
        counts.rows = rows.count
        for row in rows {
            switch columns.whisper(row) {
            case .failure(let passed): counts.pass(passed, at: row.place)
            case .success(let whisper):
                // Twice in these rows: the second one is the one that is left out.
                places[whisper.id] = row.place
                records.append(Self.record(whisper))
            }
        }
        for id in try await sorter.add(records) {
            counts.pass(WhisperColumns.Passed(.doubled, id: id), at: places[id] ?? "")
        }
        counts.whispers = records.count - (counts.passed[.doubled]?.count ?? 0)
        progress.change { $0.add(counts) }
    }

    static func record(_ whisper: Whisper) -> PairSorter.Record {
        let isByLow = whisper.sender < whisper.receiver
        return PairSorter.Record(
            id: whisper.id, low: min(whisper.sender, whisper.receiver), high: max(whisper.sender, whisper.receiver),
            at: whisper.createdSeconds, flags: (isByLow ? Flags.sentByLow : 0) | (whisper.isRead ? Flags.isRead : 0),
            payload: whisper.content)
    }
}

extension PairSorter.Record {
    var isSentByLow: Bool { flags & WhisperReader.Flags.sentByLow != 0 }
    var isRead: Bool { flags & WhisperReader.Flags.isRead != 0 }
    var milliseconds: Int64 { at * 1000 }
}
