import CryptoExtras
import Foundation
import JWTKit

/// A key that tests make tokens with, good and bad ones. Not for anything else: it signs whatever it is given.
public struct TestKey: Sendable {
    /// The `alg` that belongs to the key.
    public let algorithm: String
    /// Its `kid`; nil for none.
    public let id: String?
    /// The public key as a JSON Web Key; for HS256 the secret as one, which no key set may contain.
    public let jwk: String
    private let signer: any JWTAlgorithm

    /// - Parameter secret: At least 32 bytes, or JWTKit traps.
    public static func hs256(_ secret: String, id: String? = nil) async throws -> TestKey {
        let collection = await JWTKeyCollection().add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
        return try await make("HS256", id, ["kty": "oct", "k": base64URL(Data(secret.utf8))], collection)
    }

    public static func rs256(id: String?) async throws -> TestKey {
        let key = try Insecure.RSA.PrivateKey(backing: _RSA.Signing.PrivateKey(keySize: .bits2048))
        let collection = await JWTKeyCollection().add(rsa: key, digestAlgorithm: .sha256)
        let (n, e) = try key.publicKey.getKeyPrimitives()
        return try await make("RS256", id, ["kty": "RSA", "n": base64URL(n), "e": base64URL(e)], collection)
    }

    public static func es256(id: String?) async throws -> TestKey {
        let key = ES256PrivateKey()
        let collection = await JWTKeyCollection().add(ecdsa: key)
        guard let point = key.parameters else { throw TestFailure("an ES256 key without coordinates") }
        let members = ["kty": "EC", "crv": "P-256", "x": base64URL(base64: point.x), "y": base64URL(base64: point.y)]
        return try await make("ES256", id, members, collection)
    }

    public static func edDSA(id: String?) async throws -> TestKey {
        let key = try EdDSA.PrivateKey()
        let collection = await JWTKeyCollection().add(eddsa: key)
        let members = ["kty": "OKP", "crv": "Ed25519", "x": base64URL(key.publicKey.rawRepresentation)]
        return try await make("EdDSA", id, members, collection)
    }

    private static func make(
        _ algorithm: String, _ id: String?, _ members: [String: String], _ collection: JWTKeyCollection
    ) async throws -> TestKey {
        var members = members
        if let id { members["kid"] = id }
        let jwk =
            "{" + members.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ",")
            + "}"
        return TestKey(algorithm: algorithm, id: id, jwk: jwk, signer: try await collection.getKey())
    }

    private init(algorithm: String, id: String?, jwk: String, signer: any JWTAlgorithm) {
        self.algorithm = algorithm
        self.id = id
        self.jwk = jwk
        self.signer = signer
    }

    /// The same key under another name, or without one.
    public func named(_ id: String?) -> TestKey {
        TestKey(algorithm: algorithm, id: id, jwk: jwk, signer: signer)
    }

    /// A token with this payload (JSON) and the header that belongs to the key, or another one (JSON).
    public func token(_ payload: String, header: String? = nil) throws -> String {
        let name = id.map { ",\"kid\":\"\($0)\"" } ?? ""
        let header = header ?? "{\"alg\":\"\(algorithm)\",\"typ\":\"JWT\"\(name)}"
        let input = Self.base64URL(Data(header.utf8)) + "." + Self.base64URL(Data(payload.utf8))
        return input + "." + Self.base64URL(Data(try signer.sign(Array(input.utf8))))
    }

    /// A token for a user that expires after some seconds.
    public func token(user: String, ttlSeconds: Int = 3600) throws -> String {
        try token("{\"sub\":\"\(user)\",\"exp\":\(Int(Date().timeIntervalSince1970) + ttlSeconds)}")
    }

    /// Key sets as they stand in files and behind URLs.
    public static func keySet(_ keys: [TestKey]) -> String { keySet(jwks: keys.map(\.jwk)) }
    public static func keySet(jwks: [String]) -> String { "{\"keys\":[\(jwks.joined(separator: ","))]}" }

    public static func base64URL(_ data: Data) -> String { base64URL(base64: data.base64EncodedString()) }

    private static func base64URL(base64: String) -> String {
        base64.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
