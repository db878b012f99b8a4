import ApusTesting
import Core
import Testing
import Wire

@testable import Gateway

@Suite("A message of which the store does not say what became of it (G2)")
struct SendsInDoubtTests {
    @Test(
        "It is not answered with an error, for it may be there: the gateway asks again, and the reply tells the truth, in order",
        arguments: [FaultyStore.Mode.answersLost, .hanging])
    func settled(_ mode: FaultyStore.Mode) async throws {
        try await TestNode.run { node in
            let (ann, ben) = (someUser(), someUser())
            let (client, _) = try await node.session(ann)
            defer { client.drop() }
            node.fault.mode = mode
            for number in 1...3 {
                try await client.send(
                    #"{"id":\#(number),"op":"send","to":"\#(ben)","cid":"c\#(number)","body":{"n":\#(number)}}"#)
            }
            // No reply comes as long as nobody knows, also when the store refuses meanwhile.
            #expect(try await client.isSilent(forMilliseconds: 2_500))
            node.fault.mode = .unavailable
            #expect(try await client.isSilent(forMilliseconds: 1_200))
            // What is sent now waits behind them.
            try await client.send(#"{"id":4,"op":"send","to":"\#(ben)","cid":"c4","body":{"n":4}}"#)
            node.fault.mode = .up
            var numbers: [Int64] = []
            while numbers.count < 4 {
                let frame = try await client.frame()
                guard let id = frame["re"]?.integer else { continue }
                #expect(frame["error"] == nil, "\(frame)")
                #expect(frame["ok"]?.object?["n"]?.integer == id, "the order of sending")
                numbers.append(id)
            }
            #expect(numbers == [1, 2, 3, 4])
            let (other, _) = try await node.session(ben)
            defer { other.drop() }
            let page = try await other.ask("sync", "\"after\":0")
            #expect(page.ok["events"]?.array?.count == 4, "each once")
        }
    }

    @Test("When it cannot be known for long, the session is closed without a reply: the client sends it elsewhere")
    func closed() async throws {
        try await TestNode.run { node in
            let (client, _) = try await node.session(someUser())
            defer { client.drop() }
            node.fault.mode = .hanging
            try await client.send(#"{"id":1,"op":"send","to":"\#(someUser())","cid":"c","body":{}}"#)
            let code = try await client.closeCode(within: Double(Limits.sendInDoubtSeconds) + 15)
            #expect(code == CloseCode.overloaded.rawValue)
        }
    }
}
