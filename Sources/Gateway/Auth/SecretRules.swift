import Core

/// Which shared secrets a node starts with (GUARANTEES, "Limits": secrets).
public enum SecretRules {
    /// What is wrong with a secret, as the end of a sentence that begins with the setting's name; nil when nothing is.
    ///
    /// A published secret is always refused: everybody can make tokens with it.
    ///
    /// - Parameters:
    ///   - isPlatforms: The tokens are a platform's own, as its own user claim shows (`APUS_AUTH_USER_CLAIM`): its secret
    ///     was chosen before Apus came, and `Limits.platformSecretBytesMin` are enough (ADR 10).
    ///   - allowShort: Accepts any length, for a platform whose secret cannot be changed today.
    public static func problem(_ secret: String, isPlatforms: Bool = false, allowShort: Bool) -> String? {
        if isPublished(secret) { return "is a published sample secret: everybody can make tokens with it" }
        let bytes = secret.utf8.count
        let least = isPlatforms ? Limits.platformSecretBytesMin : Limits.secretBytesMin
        if bytes < least, !allowShort {
            return "has \(bytes) bytes, fewer than the \(least) that HS256 needs"
        }
        return nil
    }

    /// Whether `secret` is in the list, compared without regard to case and punctuation, or repeats an entry.
    static func isPublished(_ secret: String) -> Bool {
        let plain = normalized(secret)
        return !plain.isEmpty && published.contains { repeats($0, in: plain) }
    }

    private static func repeats(_ unit: [UInt8], in text: [UInt8]) -> Bool {
        text.count % unit.count == 0 && text.indices.allSatisfy { text[$0] == unit[$0 % unit.count] }
    }

    /// Letters and digits in lower case. A text without any stands for itself.
    private static func normalized(_ text: String) -> [UInt8] {
        let plain = text.lowercased().utf8.filter { 0x61...0x7A ~= $0 || 0x30...0x39 ~= $0 }
        return plain.isEmpty ? Array(text.utf8) : plain
    }

    /// Secrets of documentations, tutorials and sample configurations, as they stand there.
    private static let published: [[UInt8]] = [
        // paopao-ce's sample configuration.
        "18a6413dc4fe394c66345ebe501b2f26",
        // jwt.io.
        "your-256-bit-secret", "your-384-bit-secret", "your-512-bit-secret",
        "a-string-secret-at-least-256-bits-long",
        "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
        // RFC 7515, appendix A.1.
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        // FastAPI, Spring, PostgREST, Supabase, Mercure, Hasura, golang-jwt, jsonwebtoken, Express.
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
        "reallyreallyreallyreallyverysafe",
        "super-secret-jwt-token-with-at-least-32-characters-long",
        "!ChangeThisMercureHubJWTSecretKey!", "!ChangeMe!",
        "myadminsecretkey", "AllYourBase", "shhhhh", "keyboard cat",
        // What people type instead of one.
        "secret", "secret-key", "my-secret", "my-secret-key", "jwt-secret", "jwt-secret-key", "your-secret",
        "your-secret-key", "your-jwt-secret", "super-secret", "super-secret-key", "top-secret", "change-me",
        "please-change-me", "change-me-in-production", "change-this", "password", "default", "example", "hs256-secret",
    ].map(normalized)
}
