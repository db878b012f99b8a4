import Core
import Foundation
import Wire

/// The secret and the API key of a dev run. They live in its data folder, so that a page with yesterday's token works today.
struct DevSecrets: Hashable {
    let secret: String
    let apiKey: String

    struct Problem: Error, CustomStringConvertible {
        let description: String
    }

    static let fileName = "dev-secrets.json"

    /// Reads the folder's secrets, or makes new ones.
    /// - Parameter store: Whether new ones are written into the folder, readable by this user only.
    static func load(folder: String, store: Bool) throws -> DevSecrets {
        let path = URL(fileURLWithPath: folder).appendingPathComponent(fileName).path
        if let data = FileManager.default.contents(atPath: path) {
            guard let object = try? JSONObject(Array(data)), let secret = object["hs256_secret"]?.string,
                let apiKey = object["api_key"]?.string, secret.utf8.count >= Limits.secretBytesMin
            else { throw Problem(description: "\(path) is damaged; remove it") }
            return DevSecrets(secret: secret, apiKey: apiKey)
        }
        let new = DevSecrets(secret: RandomToken.make(length: 48), apiKey: "dev-" + RandomToken.make(length: 24))
        if store { try new.write(folder: folder, path: path) }
        return new
    }

    private func write(folder: String, path: String) throws {
        let text = "{\"hs256_secret\":\(JSONText.quoted(secret)),\"api_key\":\(JSONText.quoted(apiKey))}\n"
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw Problem(description: "\(folder) cannot be made")
        }
        // Created with its mode, not changed to it afterwards: nobody else can open it in between.
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Problem(description: "\(path) cannot be written") }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        do { try file.write(contentsOf: Data(text.utf8)) } catch {
            throw Problem(description: "\(path) cannot be written")
        }
    }
}
