import ApusTesting
import Core
import Foundation
import Testing
import Wire

@testable import Gateway

@Suite("apus serve --dev: page, tokens and a key out of nothing")
struct DevSiteTests {
    private func get(
        _ path: String, of process: ApusProcess, method: String = "GET", body: String = "", headers: [String] = []
    ) async throws -> (status: Int, head: String, body: String) {
        let client = try await ScriptedClient.raw(port: process.port)
        defer { client.drop() }
        var request = "\(method) \(path) HTTP/1.1\r\nHost: localhost\r\n"
        for header in headers { request += header + "\r\n" }
        if !body.isEmpty { request += "Content-Length: \(body.utf8.count)\r\n" }
        try await client.send(raw: Array((request + "\r\n" + body).utf8))
        let answer = try await client.httpAnswer()
        return (answer.status, try await client.head(), answer.body)
    }

    @Test("The page is at / with its policy, its users have tokens that work, and its form publishes")
    func page() async throws {
        // Nothing but addresses and a folder is set: secret and key are its own.
        let own = ["APUS_AUTH_HS256_SECRET": "", "APUS_API_KEYS": ""]
        try await ApusProcess.run(environment: own, arguments: ["--dev"]) { process in
            let page = try await get("/", of: process)
            #expect(page.status == 200)
            #expect(page.head.contains("Content-Type: text/html"))
            #expect(page.head.contains("\r\nContent-Security-Policy: default-src 'self';"))
            #expect(page.head.contains("\r\nX-Content-Type-Options: nosniff\r\n"))
            // Every file that the page names is there.
            let names = page.body.matches(of: /(?:src|href)="([^"#:]+)"/).map { String($0.output.1) }
            #expect(!names.isEmpty)
            for name in names {
                let path = name.hasPrefix("/") ? name : "/" + name.trimmingPrefix("./")
                #expect(try await get(path, of: process).status == 200, "\(name)")
            }
            let head = try await get("/", of: process, method: "HEAD")
            #expect(head.status == 200)
            #expect(head.body == "")

            let session = try await get("/dev/session", of: process)
            #expect(session.status == 200)
            #expect(session.head.contains("\r\nCache-Control: no-store\r\n"))
            let users = try JSONObject(Array(session.body.utf8)).list("users")
            #expect(users.count == 2)
            let user = try #require(users.first?.string("user"))
            let token = try #require(users.first?.string("token"))
            let client = try await ScriptedClient.connect(port: process.port)
            defer { client.drop() }
            #expect(try await client.hello(token: token).string("user") == user)

            let body = "{\"to\":\"\(user)\",\"type\":\"post.liked\"}"
            let json = ["Content-Type: application/json"]
            #expect(try await get("/dev/notify", of: process, method: "POST", body: body, headers: json).status == 200)
            #expect(try await client.durable(1).count == 1)
            // A form of another site cannot send JSON without asking first.
            #expect(
                try await get(
                    "/dev/notify", of: process, method: "POST", body: body, headers: ["Content-Type: text/plain"]
                ).status == 415)
            #expect(try await get("/dev/notify", of: process).status == 405)
            #expect(try await get("/dev/notify", of: process, method: "POST", body: "{}", headers: json).status == 400)
            #expect(try await get("/nothing", of: process).status == 404)

            let key = try #require(try JSONObject(Array(session.body.utf8)).string("apiKey"))
            #expect(process.server.output.contains(key))
            #expect(try await process.backend("GET", "/v1/nodes", key: key).status == 200)
            #expect(try await process.backend("GET", "/v1/nodes", key: "").status == 401)
        }
    }
}
