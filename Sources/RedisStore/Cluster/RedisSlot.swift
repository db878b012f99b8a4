/// The hash slot of a key (Redis Cluster specification, "Key distribution model"): CRC-16/XMODEM of its tag.
enum RedisSlot {
    static let count = 16_384

    static func of(_ key: String) -> Int { Int(checksum(RedisKeyTag.of(key))) % count }

    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt16 {
        var sum: UInt16 = 0
        for byte in bytes { sum = sum << 8 ^ table[Int(UInt8(sum >> 8) ^ byte)] }
        return sum
    }

    /// What each byte at the top of the sum adds to the rest of it: polynomial 0x1021.
    private static let table: [UInt16] = (0..<256).map { byte in
        (0..<8).reduce(UInt16(byte) << 8) { sum, _ in sum & 0x8000 == 0 ? sum << 1 : sum << 1 ^ 0x1021 }
    }
}
