import ApusTesting
import Crypto
import Foundation

/// An operator with an account and its user, as `nsc` makes them: JWTs signed by nkeys (NATS ADR-14, nkeys and JWT v2).
struct NATSAccounts {
    /// An Ed25519 key in the text form of nkeys: base 32 of a prefix, the key and a CRC-16.
    struct Key {
        /// The letters that the text begins with.
        enum Kind: UInt8 { case `operator` = 0x70, account = 0x00, user = 0xA0 }

        let key = Curve25519.Signing.PrivateKey()
        let kind: Kind

        var publicText: String { Self.text([kind.rawValue] + key.publicKey.rawRepresentation) }

        var seed: String {
            let prefix: UInt8 = 0x90
            return Self.text([prefix | (kind.rawValue >> 5), (kind.rawValue & 31) << 3] + key.rawRepresentation)
        }

        private static func text(_ bytes: [UInt8]) -> String {
            var crc: UInt16 = 0
            for byte in bytes {
                crc ^= UInt16(byte) << 8
                for _ in 0..<8 { crc = crc & 0x8000 != 0 ? crc << 1 ^ 0x1021 : crc << 1 }
            }
            return base32(bytes + [UInt8(crc & 0xFF), UInt8(crc >> 8)])
        }

        private static func base32(_ bytes: [UInt8]) -> String {
            let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
            var (text, buffer, bits) = ("", 0, 0)
            for byte in bytes {
                buffer = buffer << 8 | Int(byte)
                bits += 8
                while bits >= 5 {
                    bits -= 5
                    text.append(alphabet[buffer >> bits & 31])
                }
                buffer &= (1 << bits) - 1
            }
            if bits > 0 { text.append(alphabet[buffer << (5 - bits) & 31]) }
            return text
        }
    }

    let owner = Key(kind: .operator)
    let account = Key(kind: .account)
    let system = Key(kind: .account)

    /// What a nats-server needs to know.
    func serverConfiguration() throws -> String {
        let limits = #""subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1"#
        let storage = #""mem_storage":-1,"disk_storage":-1,"streams":-1,"consumer":-1"#
        let plain = try jwt(system, by: owner, #"{"limits":{\#(limits)},"type":"account","version":2}"#)
        let full = try jwt(account, by: owner, #"{"limits":{\#(limits),\#(storage)},"type":"account","version":2}"#)
        return """
            operator: \(try jwt(owner, by: owner, #"{"type":"operator","version":2}"#))
            system_account: \(system.publicText)
            resolver: MEMORY
            resolver_preload: {
              \(system.publicText): \(plain)
              \(account.publicText): \(full)
            }
            """
    }

    /// The text of a `.creds` file for a user of the account.
    func credentials(signedBy issuer: Key? = nil) throws -> String {
        let user = Key(kind: .user)
        let claims = #"{"pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"type":"user","version":2}"#
        return """
            -----BEGIN NATS USER JWT-----
            \(try jwt(user, by: issuer ?? account, claims))
            ------END NATS USER JWT------

            -----BEGIN USER NKEY SEED-----
            \(user.seed)
            ------END USER NKEY SEED------

            """
    }

    private func jwt(_ subject: Key, by issuer: Key, _ nats: String) throws -> String {
        let now = Int(Date().timeIntervalSince1970)
        let claims =
            #"{"jti":"\#(UUID().uuidString)","iat":\#(now),"iss":"\#(issuer.publicText)","name":"test","#
            + #""sub":"\#(subject.publicText)","nats":\#(nats)}"#
        let text =
            Self.base64URL(Data(#"{"typ":"JWT","alg":"ed25519-nkey"}"#.utf8)) + "." + Self.base64URL(Data(claims.utf8))
        return text + "." + Self.base64URL(try issuer.key.signature(for: Data(text.utf8)))
    }

    private static func base64URL(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
