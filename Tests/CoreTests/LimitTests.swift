import Core
import Testing

@Suite("Limits and codes")
struct LimitTests {
    @Test("fit into each other: what is allowed inside something is smaller than it")
    func sizes() {
        #expect(Limits.headerBytesMax < Limits.headersBytesMax)
        #expect(Limits.tokenBytesMax < Limits.headerBytesMax, "a token fits into a header line")
        #expect(Limits.bodyBytesMax < Limits.messageBytesMax && Limits.messageBytesMax < Limits.outputBytesMax)
        #expect(Limits.tokenBytesMax < Limits.messageBytesMax, "a token fits into hello")
        #expect(
            Limits.inboxReadIDsMax * (Limits.eventIDBytesMax + 3) < Limits.messageBytesMax,
            "as many ids as may be read fit into a message")
        #expect(Limits.notificationBytesMax < Limits.outputBytesMax, "one event never makes a session slow by itself")
        #expect(Limits.notificationBytesMax < Limits.backendBodyBytesMax)
        #expect(
            Limits.recipientsMax * (Limits.userBytesMax + 3) < Limits.backendBodyBytesMax,
            "all recipients fit into a request")
        #expect(Limits.recipientsMax <= Limits.recipientsPerRequestMax)
        #expect(Limits.categoryBytesMax <= Limits.typeBytesMax && Limits.collapseBytesMax <= Limits.eventIDBytesMax)
        #expect(Limits.typeBytesMax <= Limits.eventIDBytesMax, "names are checked as ids are")
        #expect(Limits.controlFrameBytesMax == 125)
    }

    @Test("fit into each other in time")
    func times() {
        #expect(Limits.leaseRefreshSeconds * 3 < Limits.leaseSeconds, "two signs may be lost, and the third be late")
        #expect(Limits.leaseSeconds < 15, "G8: a dead node's users are offline within 15 s")
        #expect(Limits.storeDeadlineMilliseconds < 2000, "G11: unavailable within 2 s")
        #expect(Limits.expirySlackSeconds <= 2, "G12")
        #expect(Limits.drainSeconds < 30, "G10: exit within 30 s")
        #expect(Limits.closeTimeoutSeconds < Limits.drainSeconds)
        #expect(
            Limits.silentPingIntervals > 2 && Double(Limits.pingSeconds) * Limits.silentPingIntervals == 60,
            "PROTOCOL 2.5")
        #expect(
            Limits.slowSessionSeconds < Int(Double(Limits.pingSeconds) * Limits.silentPingIntervals),
            "slow is found before silent")
        #expect(
            Limits.dedupHours * 3_600 < Limits.timelineDaysMax * 86_400,
            "a duplicate is known at least as long as its event could be replayed")
    }

    @Test("fit into each other in number")
    func counts() {
        #expect(
            Limits.operationsPerSecond < Limits.operationsBurst && Limits.operationsBurst < Limits.rateLimitedNetMax)
        #expect(Limits.syncPageMax <= Limits.timelineEventsMax && Limits.replayPageMax < Limits.timelineEventsMax)
        #expect(Limits.inboxPageMax <= Limits.inboxItemsMax && Limits.inboxReadIDsMax <= Limits.inboxItemsMax)
        #expect(Limits.sessionsPerUser < Limits.sessionsPerAddress)
        #expect(
            StoreLimits.standard.timelineMilliseconds == 7 * 86_400_000
                && StoreLimits.standard.dedupMilliseconds == 86_400_000)
        #expect(
            StoreLimits.standard.timelineEvents == Limits.timelineEventsMax
                && StoreLimits.standard.inboxItems == Limits.inboxItemsMax)
    }

    @Test("of close codes: the range tells the client whether to reconnect", arguments: CloseCode.allCases)
    func closeCodes(code: CloseCode) {
        switch code.rawValue {
        case 1000, 1002, 1003, 1007, 1009, 4400...4499: #expect(!code.reconnects)
        case 1001, 1011, 1012, 4500...4599: #expect(code.reconnects)
        default: Issue.record("\(code.rawValue) is in no range of the protocol")
        }
        #expect(!code.reason.isEmpty && code.reason.utf8.count <= Limits.controlFrameBytesMax - 2)
    }

    @Test("of close codes: those that the protocol names are there")
    func namedCodes() {
        #expect(
            Set(CloseCode.allCases.map(\.rawValue)).isSuperset(of: [
                1000, 1001, 1002, 1003, 1007, 1009, 1011, 4400, 4401, 4403, 4404, 4408, 4409, 4429, 4503, 4508, 4512,
            ]))
    }

    @Test("of errors: the codes are those of the protocol, and unavailable says when to try again")
    func errorCodes() {
        #expect(
            ErrorCode.allCases.map(\.rawValue) == [
                "bad_request", "unknown_op", "unauthenticated", "forbidden", "not_found", "conflict", "too_large",
                "rate_limited", "unavailable",
                "internal",
            ])
        #expect(
            ApusError.unavailable("x").retryMilliseconds == 1000 && ApusError.badRequest("x").retryMilliseconds == nil)
        #expect(StoreError(.unknown, "secret detail").forClient.message.contains("secret") == false)
        #expect(ResyncReason.allCases.map(\.rawValue) == ["epoch_changed", "trimmed", "ahead", "id_mismatch"])
    }

    @Test("of clocks: the wall is in milliseconds of this century, the other never goes back")
    func clocks() {
        let time = SystemTime()
        #expect((1_700_000_000_000...4_102_444_800_000).contains(time.wallMilliseconds()))
        let first = time.monotonicNanoseconds()
        #expect(time.monotonicNanoseconds() >= first)
    }
}
