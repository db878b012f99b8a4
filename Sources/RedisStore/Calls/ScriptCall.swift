import Core

/// One run of a script: its keys and arguments, and how its answer is read. The scripts' headers say what stands where.
struct ScriptCall<Answer: Sendable>: Sendable {
    let script: RedisScript
    let keys: RedisKeySet
    let arguments: RedisArguments
    let decode: @Sendable (inout ReplyFields) throws(ReplyFields.Malformed) -> Answer

    init(
        _ script: RedisScript, keys: RedisKeySet, arguments: RedisArguments,
        decode: @escaping @Sendable (inout ReplyFields) throws(ReplyFields.Malformed) -> Answer
    ) {
        self.script = script
        self.keys = keys
        self.arguments = arguments
        self.decode = decode
    }

    /// The command, for the digest that the server gave the script.
    /// - Parameter lane: The key whose commands it stays in order with, when that is not the first of its own.
    func command(_ digest: [UInt8], lane: String? = nil) -> RedisCommand {
        var command = RedisArguments(capacity: 1024)
        command.add("EVALSHA")
        command.add(digest)
        command.add(keys.count)
        keys.add(to: &command)
        command.add(arguments)
        return RedisCommand(
            command, key: keys.first, lane: lane, isConfirmed: RedisScript.confirmed.contains(script),
            isVital: script == .renewLease)
    }

    /// Reads the script's answer. One that is not as it should be says nothing about what was written.
    func answer(_ reply: RedisReply) -> Result<Answer, StoreError> {
        var fields = ReplyFields(reply)
        do {
            return .success(try decode(&fields))
        } catch {
            return .failure(StoreError(.unknown, "Redis: the answer of \(script.rawValue).lua is not understood"))
        }
    }
}

/// The fields of a script's flat answer, one after another.
struct ReplyFields {
    struct Malformed: Error {}

    private let fields: [RedisReply]
    private var next = 0

    /// A lone value is a list of one.
    init(_ reply: RedisReply) { fields = reply.list ?? [reply] }

    var isAtEnd: Bool { next == fields.count }

    private mutating func field() throws(Malformed) -> RedisReply {
        guard next < fields.count else { throw Malformed() }
        defer { next += 1 }
        return fields[next]
    }

    mutating func text() throws(Malformed) -> String {
        guard let text = try field().string else { throw Malformed() }
        return text
    }

    mutating func bytes() throws(Malformed) -> [UInt8] {
        guard let bytes = try field().bytes else { throw Malformed() }
        return bytes
    }

    mutating func integer() throws(Malformed) -> Int64 {
        guard let number = try field().integer else { throw Malformed() }
        return number
    }

    mutating func count() throws(Malformed) -> Int {
        guard let count = Int(exactly: try integer()) else { throw Malformed() }
        return count
    }

    /// What is left, as frames or items.
    mutating func rest() throws(Malformed) -> [[UInt8]] {
        var rest: [[UInt8]] = []
        rest.reserveCapacity(fields.count - next)
        while !isAtEnd { rest.append(try bytes()) }
        return rest
    }
}
