import Core
import Wire

/// A token in the compact form (RFC 7515 §3.1), taken apart and with its header checked, but not verified.
///
/// The header is read here, and only here: which key and which algorithm apply is decided from it by `KeySet`, never by
/// the cryptography library.
struct CompactToken {
    let algorithm: TokenAlgorithm
    /// The key's name; nil when the header has none.
    let keyID: String?
    /// What the signature is over: the first two parts with the dot between them, as they came.
    let signingInput: ArraySlice<UInt8>
    let payload: [UInt8]
    let signature: [UInt8]

    init(_ token: String) throws(AuthFailure) {
        // A bridged or huge string is refused before it is copied.
        guard token.utf8.count <= Limits.tokenBytesMax else {
            throw AuthFailure(.tooLarge, "the token has more than \(Limits.tokenBytesMax) bytes")
        }
        let bytes = Array(token.utf8)
        let parts = bytes.split(separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw AuthFailure(.malformed, "the token does not have three parts") }
        guard let header = Base64URL.decode(parts[0]), let payload = Base64URL.decode(parts[1]),
            let signature = Base64URL.decode(parts[2])
        else { throw AuthFailure(.malformed, "a part of the token is not base64url without padding") }

        let members: JSONObject
        do { members = try JSONObject(header) } catch {
            throw AuthFailure(.malformed, "the token's header: \(error.message)")
        }
        (algorithm, keyID) = try Self.check(members)
        signingInput = bytes[..<parts[1].endIndex]
        self.payload = payload
        self.signature = signature
    }

    /// Members that name a key or change how the token is to be read. None is needed, each has been an attack
    /// (RFC 8725 §2, §3.10; RFC 7515 §4.1.11), so a token that has one is refused rather than the member ignored.
    private static let refusedMembers = ["crit", "jku", "jwk", "x5u", "x5c", "b64"]

    private static func check(_ header: JSONObject) throws(AuthFailure) -> (TokenAlgorithm, String?) {
        for name in refusedMembers where header[name] != nil {
            throw AuthFailure(.malformed, "the token's header has \"\(name)\"")
        }
        if let type = header["typ"] {
            guard let text = type.string?.lowercased(), text == "jwt" || text == "at+jwt" else {
                throw AuthFailure(.malformed, "the token's typ is neither JWT nor at+jwt")
            }
        }
        var keyID: String?
        if let kid = header["kid"] {
            guard let text = kid.string else { throw AuthFailure(.malformed, "the token's kid is not a string") }
            keyID = text
        }
        guard let name = header["alg"]?.string, let algorithm = TokenAlgorithm(rawValue: name) else {
            throw AuthFailure(.algorithm, "the token's alg is none of \(TokenAlgorithm.names)")
        }
        return (algorithm, keyID)
    }
}

/// The signature algorithms of PROTOCOL §5 (RFC 7518 §3.1, RFC 8037 §3.1); names compare exactly.
enum TokenAlgorithm: String, Sendable, CaseIterable {
    case hs256 = "HS256"
    case rs256 = "RS256"
    case es256 = "ES256"
    case edDSA = "EdDSA"

    static let names = allCases.map(\.rawValue).joined(separator: ", ")
}
