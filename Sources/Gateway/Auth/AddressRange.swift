#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A range of IP addresses in CIDR notation (RFC 4632, RFC 4291 §2.3), or one address.
///
/// IPv4 is held as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2), so a range also matches what a dual-stack socket reports.
public struct AddressRange: Hashable, Sendable, CustomStringConvertible {
    private let network: [UInt8]
    private let prefixBits: Int
    public let description: String

    /// - Parameter text: `10.0.0.0/8`, `192.0.2.7`, `fd00::/8`, `::1`; bits past the prefix are ignored.
    /// - Returns: nil when it is not that.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = Self.bytes(of: String(parts[0])) else { return nil }
        let isV4 = !parts[0].contains(":")
        var bits = isV4 ? 32 : 128
        if parts.count == 2 {
            guard parts[1].utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let given = Int(parts[1]), given <= bits else {
                return nil
            }
            bits = given
        }
        prefixBits = bits + (isV4 ? 96 : 0)
        network = Self.masked(address, bits: prefixBits)
        description = text
    }

    /// Whether a numeric address, without port, brackets or zone, lies in the range.
    public func contains(_ address: String) -> Bool {
        guard let bytes = Self.bytes(of: address) else { return false }
        return Self.masked(bytes, bits: prefixBits) == network
    }

    private static func masked(_ address: [UInt8], bits: Int) -> [UInt8] {
        var masked = address
        for i in 0..<16 {
            let kept = max(0, min(8, bits - i * 8))
            masked[i] &= UInt8(truncatingIfNeeded: 0xFF00 >> kept)
        }
        return masked
    }

    /// The 16 bytes of a numeric address; nil for anything else, names included.
    private static func bytes(of text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if text.contains(":") {
            // SAFETY: AF_INET6 writes exactly 16 bytes, which is the buffer's size.
            return bytes.withUnsafeMutableBytes { inet_pton(AF_INET6, text, $0.baseAddress) } == 1 ? bytes : nil
        }
        bytes[10] = 0xFF
        bytes[11] = 0xFF
        // SAFETY: AF_INET writes exactly 4 bytes, which is what remains after offset 12.
        return bytes.withUnsafeMutableBytes { inet_pton(AF_INET, text, $0.baseAddress! + 12) } == 1 ? bytes : nil
    }
}
