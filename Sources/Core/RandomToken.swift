/// Random names: epochs, session ids, event ids. All from the system's generator.
public enum RandomToken {
    private static let letters = Array("abcdefghijklmnopqrstuvwxyz0123456789".utf8)
    private static let crockford = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)

    /// `length` characters of `[a-z0-9]`, about 5.17 bits each.
    public static func make(length: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        let base = UInt64(letters.count)
        var pool: UInt64 = 0
        return String(unsafeUninitializedCapacity: length) { out in
            for i in 0..<length {
                // Each number drawn is a system call: one serves for eight letters. Taking 2^64 modulo 36^8 prefers no
                // token by more than one in six million.
                if i % 8 == 0 { pool = generator.next() }
                out[i] = letters[Int(pool % base)]
                pool /= base
            }
            return length
        }
    }

    /// A ULID: 48 bits of time and 80 random bits in Crockford's base 32, 26 characters.
    static func ulid(_ milliseconds: Int64) -> String {
        var generator = SystemRandomNumberGenerator()
        var time = UInt64(clamping: milliseconds)
        var random: (UInt64, UInt64) = (generator.next(), generator.next())
        return String(unsafeUninitializedCapacity: 26) { out in
            for i in stride(from: 9, through: 0, by: -1) {
                out[i] = crockford[Int(time & 31)]
                time >>= 5
            }
            for i in 10..<18 {
                out[i] = crockford[Int(random.0 & 31)]
                random.0 >>= 5
            }
            for i in 18..<26 {
                out[i] = crockford[Int(random.1 & 31)]
                random.1 >>= 5
            }
            return 26
        }
    }
}
