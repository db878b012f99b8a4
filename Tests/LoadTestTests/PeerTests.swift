import Foundation
import Testing

@testable import apus_loadtest

@Suite("Other servers, for comparison")
struct PeerTests {
    @Test("answers to pipelined requests are counted whole, whatever their bodies and however they are cut")
    func answers() {
        let first = "HTTP/1.1 201 Created\r\nServer: a\r\ncontent-length: 5\r\n\r\nhello"
        let second = "HTTP/1.1 200 OK\r\nContent-Length:0\r\n\r\n"
        let third = "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nX: y\r\n\r\nno"
        let all = Array((first + second + third).utf8)
        let whole = HTTPAnswers.read(all)
        #expect(whole.statuses == [201, 200, 503] && whole.used == all.count)
        let counts = (0...all.count).map { HTTPAnswers.read(Array(all.prefix($0))).statuses.count }
        #expect(counts == counts.sorted())
        #expect(HTTPAnswers.read(Array(all.dropLast())).statuses == [201, 200])
        #expect(HTTPAnswers.read(Array(all.dropLast())).used == first.utf8.count + second.utf8.count)
    }

    @Test("a NATS frame is messages, an answer that was waited for, or a ping to answer")
    func nats() {
        func hear(_ text: String) -> Heard { Array(text.utf8).withUnsafeBytes { NATSDialect().hear($0) } }
        guard case .events = hear("MSG apus.live.user.u1 1 5\r\nhello\r\n"), case .ready = hear("PONG\r\n"),
            case .answer(let pong) = hear("PING\r\n"), case .nothing = hear("INFO {}\r\n")
        else {
            Issue.record("a frame was taken for another")
            return
        }
        #expect(pong == Array("PONG\r\n".utf8))
    }

    @Test("every peer has a dialect of its name, and one that is not installed says how to install it")
    func names() throws {
        for peer in Peers.all {
            #expect(Dialects.named(peer.name) != nil)
            #expect(try Peers.named(peer.name).title == peer.title)
        }
        #expect(throws: SiteError.self) { try Peers.named("nobody") }
        let (there, missing) = Peers.installed()
        #expect(there.count + missing.count == Peers.all.count)
        for line in missing { #expect(line.contains("is left out: ")) }
    }
}
