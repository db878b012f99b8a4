/// Percent-encoding (RFC 3986 §2.1), as URLs, query parameters and headers of CloudEvents have it.
public enum PercentEncoding {
    /// Decodes once.
    ///
    /// - Returns: nil when a `%` has not two hexadecimal digits behind it, or the result is no UTF-8.
    public static func decoded(_ text: some StringProtocol) -> String? {
        var out: [UInt8] = []
        var bytes = text.utf8.makeIterator()
        while let byte = bytes.next() {
            guard byte == UInt8(ascii: "%") else {
                out.append(byte)
                continue
            }
            guard let high = bytes.next()?.hexDigitValue, let low = bytes.next()?.hexDigitValue else { return nil }
            out.append(high << 4 | low)
        }
        return String(validating: out, as: UTF8.self)
    }
}

extension UInt8 {
    /// What this byte means as a hexadecimal digit in ASCII; nil when it is none.
    public var hexDigitValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
