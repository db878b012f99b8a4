import Core
import Foundation
import JWTKit
import Wire

/// A key that checks signatures of one algorithm.
///
/// JWTKit's part is the cryptography alone. Each key is taken out of a collection of its own, so the collection's
/// fallback from an unknown `kid` to another key, and its choice of algorithm by the token's header, cannot happen.
struct TokenKey: Sendable {
    let algorithm: TokenAlgorithm
    /// The key's name in its set; nil when it has none.
    let id: String?
    private let signer: any JWTAlgorithm

    /// The shared secret of HS256: the raw bytes of the string.
    static func hmac(secret: String, id: String? = nil) async throws -> TokenKey {
        var bytes = Array(secret.utf8)
        // JWTKit traps on keys shorter than the hash. HMAC itself fills keys up with zeros (RFC 2104 §2), so filling
        // them here gives the same signatures. Whether such a secret is allowed is decided at start, not here.
        while bytes.count < Limits.secretBytesMin { bytes.append(0) }
        let collection = JWTKeyCollection()
        await collection.add(hmac: HMACKey(from: bytes), digestAlgorithm: .sha256)
        return TokenKey(algorithm: .hs256, id: id, signer: try await collection.getKey())
    }

    /// A public key of a set (RFC 7517 §4); what must not be used is refused with the reason.
    static func jwk(_ jwk: JSONObject) async throws(UnusableKey) -> TokenKey {
        let (algorithm, key) = try describe(jwk)
        do {
            let collection = JWTKeyCollection()
            try await collection.add(jwk: key, isDefault: true)
            return TokenKey(algorithm: algorithm, id: jwk["kid"]?.string, signer: try await collection.getKey())
        } catch {
            throw UnusableKey("its numbers are not a key")
        }
    }

    private init(algorithm: TokenAlgorithm, id: String?, signer: any JWTAlgorithm) {
        self.algorithm = algorithm
        self.id = id
        self.signer = signer
    }

    func isValid(_ signature: [UInt8], over input: ArraySlice<UInt8>) -> Bool {
        // It throws when the signature cannot be one of this algorithm, for example by its length.
        (try? signer.verify(signature, signs: input)) ?? false
    }

    func sign(_ input: [UInt8]) throws -> [UInt8] { try signer.sign(input) }

    // MARK: Reading a JSON Web Key

    /// The name under which a key stands in its own collection.
    private static let alone = JWKIdentifier(string: "key")

    /// The key's algorithm, from its `alg` or, without one, from its type and curve, and its public numbers.
    private static func describe(_ jwk: JSONObject) throws(UnusableKey) -> (TokenAlgorithm, JWK) {
        if let use = jwk["use"], use.string != "sig" { throw UnusableKey("its use is not sig") }
        if let operations = jwk["key_ops"], operations.array?.contains(where: { $0.string == "verify" }) != true {
            throw UnusableKey("its key_ops do not have verify")
        }
        if let id = jwk["kid"], id.string == nil { throw UnusableKey("its kid is not a string") }
        let type = jwk["kty"]?.string
        let curve = jwk["crv"]?.string
        let algorithm: TokenAlgorithm
        let key: JWK
        switch (type, curve) {
        case ("RSA", _):
            algorithm = .rs256
            key = try rsa(jwk)
        case ("EC", "P-256"):
            algorithm = .es256
            let (x, y) = (try number(jwk, "x"), try number(jwk, "y"))
            key = .ecdsa(.es256, identifier: alone, x: x, y: y, curve: .p256)
        case ("OKP", "Ed25519"):
            algorithm = .edDSA
            let x = try number(jwk, "x")
            key = .octetKeyPair(.eddsa, identifier: alone, x: x, y: nil, curve: .ed25519)
        default: throw UnusableKey("its type is none of RSA, EC with P-256, OKP with Ed25519")
        }
        if let named = jwk["alg"], named.string != algorithm.rawValue {
            throw UnusableKey("its alg is not \(algorithm.rawValue)")
        }
        return (algorithm, key)
    }

    private static func rsa(_ jwk: JSONObject) throws(UnusableKey) -> JWK {
        let (n, e) = (try number(jwk, "n"), try number(jwk, "e"))
        let modulus = (Base64URL.decode(n.utf8) ?? []).drop { $0 == 0 }
        let bits = modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
        // Below: RFC 7518 §3.3. Above: one signature would take milliseconds of an event loop.
        guard 2048...8192 ~= bits else { throw UnusableKey("it has \(bits) bits, and 2048 to 8192 are accepted") }
        return .rsa(.rs256, identifier: alone, modulus: n, exponent: e)
    }

    private static func number(_ jwk: JSONObject, _ name: String) throws(UnusableKey) -> String {
        guard let text = jwk[name]?.string, Base64URL.decode(text.utf8)?.isEmpty == false else {
            throw UnusableKey("its \(name) is missing or not base64url")
        }
        return text
    }
}

/// Why a key of a set is skipped.
struct UnusableKey: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
