import Core
import Wire

/// The usable keys of a JSON Web Key Set (RFC 7517 §5), and the choice among them.
struct KeySet: Sendable {
    let keys: [TokenKey]

    init(_ keys: [TokenKey]) {
        self.keys = keys
    }

    /// Reads a set. Keys that cannot or must not be used are left out (RFC 7517 §5) and reported to `skipped`.
    /// - Throws: What is wrong when it is no set, or no key in it can be used.
    static func parse(
        _ document: [UInt8], skipped: (_ index: Int, UnusableKey) -> Void
    ) async throws(UnusableKeySet) -> KeySet {
        let members: JSONObject
        do { members = try JSONObject(document) } catch { throw UnusableKeySet("it is not JSON: \(error)") }
        guard let listed = members["keys"]?.array else { throw UnusableKeySet("it has no array \"keys\"") }
        guard listed.count <= keysMax else { throw UnusableKeySet("it has more than \(keysMax) keys") }
        var keys: [TokenKey] = []
        for (index, value) in listed.enumerated() {
            do throws(UnusableKey) {
                guard let jwk = value.object else { throw UnusableKey("it is not an object") }
                keys.append(try await .jwk(jwk))
            } catch { skipped(index, error) }
        }
        guard !keys.isEmpty else { throw UnusableKeySet("none of its \(listed.count) keys can be used") }
        return KeySet(keys)
    }

    /// Far above what any issuer publishes; bounds what a wrong address can cost.
    private static let keysMax = 200

    enum Choice {
        case key(TokenKey)
        /// No key of that name: a newer set may have it.
        case unknown
        /// There is a key, and the token's algorithm is not the key's.
        case otherAlgorithm
    }

    /// The key for a token: by its `kid` and by nothing else; a token without `kid` only when there is one key.
    func key(for token: CompactToken) -> Choice {
        let named: [TokenKey]
        if let id = token.keyID {
            named = keys.filter { $0.id == id }
        } else {
            named = keys.count == 1 ? keys : []
        }
        if named.isEmpty { return .unknown }
        // A name may stand for keys of different types (RFC 7517 §4.5).
        return named.first { $0.algorithm == token.algorithm }.map(Choice.key) ?? .otherAlgorithm
    }
}

/// Why a document is no key set.
struct UnusableKeySet: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
