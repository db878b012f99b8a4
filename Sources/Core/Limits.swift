/// Every limit of Apus with its reason (GUARANTEES, "Limits"). Units stand last in the names.
public enum Limits {
    // MARK: The handshake

    /// One header line: twice what browsers send with a large token.
    public static let headerBytesMax = 8 * 1024
    /// All header lines together. Held per connection until the upgrade, so it bounds what a slow-header attack costs.
    public static let headersBytesMax = 16 * 1024
    /// Header lines in one request.
    public static let headerFieldsMax = 64
    /// Time for the request head to arrive whole.
    public static let handshakeTimeoutSeconds = 10
    /// Time from the upgrade to `hello` (PROTOCOL §2.1).
    public static let helloTimeoutSeconds = 10
    /// Time of the node to answer a request or a `hello` that came in time: the 10 s that fetching keys may take, the
    /// store's deadline, and some slack. Past it, 503 or close code 4503.
    public static let answerTimeoutSeconds = 15

    // MARK: Frames and messages

    /// One inbound message, all fragments together: what a session may make a node hold (G9).
    public static let messageBytesMax = 64 * 1024
    /// Fragments of one message: more is a client that wants to cost time.
    public static let fragmentsMax = 64
    /// The `body` of one direct message (PROTOCOL §2.3).
    public static let bodyBytesMax = 16 * 1024
    /// RFC 6455 §5.5.
    public static let controlFrameBytesMax = 125
    /// WebSocket pings that a client may send within one second; keeping alive takes far fewer.
    public static let pingsPerSecondMax = 10
    /// Depth of nested arrays and objects in JSON: bounds the validator's stack.
    public static let jsonDepthMax = 32
    /// Messages in a row that are not a request at all before the session is closed with 4400.
    public static let badRequestsInARowMax = 10

    // MARK: Sessions

    /// Operations per second that one session may sustain.
    public static let operationsPerSecond = 50
    /// Operations that it may send at once after a pause.
    public static let operationsBurst = 200
    /// Refused operations, less those that passed since, that make a flood: the session is closed with 4429.
    public static let rateLimitedNetMax = 500
    /// Operations of one session that may wait for the store; past it, its socket is not read.
    public static let operationsInFlightMax = 64
    /// Output that may wait for one session before bodies are withheld (`behind`; G9).
    public static let outputBytesMax = 256 * 1024
    /// Events of a topic that are joined to one write: a quarter of what may wait, so that one write fills nobody's output.
    public static let topicRunBytesMax = outputBytesMax / 4
    /// How long a session may stay over `outputBytesMax` without draining before it is closed with 4508.
    public static let slowSessionSeconds = 20
    /// Topics that one session may subscribe to.
    public static let topicsPerSessionMax = 100
    /// Sessions of one user (`APUS_SESSIONS_PER_USER`); the oldest is closed with 4409.
    public static let sessionsPerUser = 20
    /// Sessions of one address (`APUS_SESSIONS_PER_ADDRESS`); the next is answered 503.
    public static let sessionsPerAddress = 1000
    /// New sessions per second and event loop (`APUS_CONNECTS_PER_SECOND`): about two thirds of what a core takes in with
    /// nothing else to do (docs/performance.md), so that a storm leaves time for those that are here (G13).
    public static let connectsPerSecond = 8000
    /// New sessions of this much time may come at once without waiting.
    public static let admissionBurstMilliseconds = 100
    /// How long a new session may wait for its turn; who would wait longer is told to come back. Below what clients wait
    /// for a handshake.
    public static let admissionWaitMilliseconds = 3000
    /// Time between server pings (`APUS_PING_SECONDS`).
    public static let pingSeconds = 25
    /// A session without a sign of life for this many ping intervals is closed: two pings lost and some slack.
    public static let silentPingIntervals = 2.4
    /// How long after its `exp` a session may still exist (G12).
    public static let expirySlackSeconds = 2
    /// How long a close frame may wait for its answer before the socket is closed all the same.
    public static let closeTimeoutSeconds = 5

    // MARK: Identifiers and tokens

    public static let userBytesMax = 64
    public static let deviceBytesMax = 64
    public static let topicBytesMax = 128
    public static let eventIDBytesMax = 128
    public static let nodeBytesMax = 48
    public static let requestIDBytesMax = 64
    public static let cidBytesMax = 64
    /// `d:`, two user ids whose colons take three bytes each, and the colon between them.
    public static let conversationBytesMax = 3 + 2 * 3 * userBytesMax
    /// What follows `g:`.
    public static let groupTokenBytesMax = 48
    /// A JWT: large enough for RS256 with roles, small enough to refuse before any cryptography.
    public static let tokenBytesMax = 4 * 1024
    /// HMAC secrets shorter than the hash are refused (RFC 7518 §3.2).
    public static let secretBytesMin = 32
    /// The same where a platform brings tokens of its own (ADR 10): 192 bits, when they are random.
    public static let platformSecretBytesMin = 24

    // MARK: Conversations

    /// `title` of a group.
    public static let titleBytesMax = 256
    /// Members of a group: its member list is one hash in one slot, read whole when somebody is added.
    public static let groupMembersMax = 2000
    /// Users that one `group.create`, `group.add` or `group.remove` names.
    public static let groupChangeUsersMax = 500
    /// Members up to which a message is written into every member's timeline; in larger groups they read the log
    /// (`APUS_GROUP_FANOUT`): a write costs as many scripts as there are members.
    public static let groupFanOutMax = 500
    /// Members up to which everybody is told how far somebody has read (PROTOCOL §2.4).
    public static let receiptMembersMax = 32
    /// Members of a group that `conversations` names.
    public static let membersShownMax = 50
    /// The `key` of a reaction.
    public static let reactionKeyBytesMax = 32
    /// Reactions on one message, all keys and users together: they are stored and shown with it.
    public static let reactionsPerMessageMax = 500
    /// How long the sender may edit a message.
    public static let editHours = 24
    /// How often: the log keeps the body of every edit until the message is recalled, and a recall visits them all.
    public static let editsPerMessageMax = 200
    /// Entries of a log for which those who left a group are remembered, so that they still get the entry of it: as many
    /// as come in while a sweeper takes over.
    public static let departureEntries = 200
    /// Users whom one user may block.
    public static let blocksMax = 1000
    /// What one answer to `inbox`, `history` or `conversations` may have; the rest is another page. Well below
    /// `outputBytesMax`.
    public static let answerBytesMax = 128 * 1024
    /// One page of `history` and of `conversations`.
    public static let historyPageMax = 200
    public static let conversationsPageMax = 200
    /// Entries of a log that one step takes a member forward by.
    public static let advanceEntriesMax = 100
    /// How long a node has to bring a change to all members before the sweeper of any node takes over.
    public static let fanOutGraceMilliseconds = 3000

    // MARK: Backends

    /// One HTTP request of a backend.
    public static let backendBodyBytesMax = 1024 * 1024
    /// Recipients of one notification.
    public static let recipientsMax = 1000
    /// Recipients of all notifications in one HTTP request.
    public static let recipientsPerRequestMax = 10_000
    /// One notification, all its fields.
    public static let notificationBytesMax = 64 * 1024
    /// `type`, `category` and `collapse` of a notification.
    public static let typeBytesMax = 128
    public static let categoryBytesMax = 64
    public static let collapseBytesMax = 128
    /// The longest `ttl_s`: a year.
    public static let ttlSecondsMax = 31_536_000
    /// Users in one presence question.
    public static let presenceUsersMax = 1000
    /// A backend's connection on which nothing comes for this long is closed, also in the middle of a request.
    public static let backendIdleSeconds = 60
    /// A dead letter with its headers: NATS takes 1 MiB by default, and an event may have had all of that.
    public static let deadLetterBytesMax = 1_000_000
    /// What a dead letter keeps of the event's headers: JetStream takes 64 KiB, and Apus adds its own.
    public static let deadLetterHeaderBytesMax = 32 * 1024

    // MARK: Presence

    /// Users in one `presence.watch` or `presence.unwatch`: the answer stays well below `outputBytesMax`.
    public static let presenceWatchUsersMax = 200
    /// Users that one session watches: more than a screen shows, few enough to ask for again after a loss.
    public static let presenceWatchesMax = 1000
    /// How long after a session's end its user is still shown online: hides reconnects.
    public static let presenceGraceSeconds = 5
    /// Subjects that changes of presence are spread over. A node listens to those that it has watched users in, and a lost
    /// change costs questions about the users of one.
    public static let presenceBuckets = 16
    /// How long a node that has no lease counts by what it says of itself on the bus, from its last word on: a heartbeat and
    /// some slack.
    public static let presenceVouchMilliseconds = leaseRefreshSeconds * 1000 + 500

    // MARK: Stored

    /// Events that a timeline keeps; an older position answers `trimmed`.
    public static let timelineEventsMax = 1000
    /// How long a timeline keeps an event, unless it is the last one.
    public static let timelineDaysMax = 7
    /// Notifications that an inbox keeps; the oldest go first.
    public static let inboxItemsMax = 1000
    /// How long an event id is remembered for deduplication.
    public static let dedupHours = 24
    /// One page of `sync`.
    public static let syncPageMax = 500
    /// One page of `inbox`.
    public static let inboxPageMax = 200
    /// Ids in one `inbox.read`.
    public static let inboxReadIDsMax = 200
    /// Events that a resume reads from the store at a time.
    public static let replayPageMax = 200

    // MARK: Imports

    /// One row of a CSV file: paopao's longest are below 4 KiB, so a longer one is a quote that nobody closed.
    public static let importRowBytesMax = 1024 * 1024
    /// Conversations that are written at once. Each has one command under way, so a Redis that serves people too is at most
    /// this many short scripts behind; and one fsync of the embedded store serves as many.
    public static let importConversationsMax = 64
    /// How long an import waits for a store that fails before it gives up: a restart of Redis is over by then.
    public static let importPatienceSeconds = 30

    // MARK: Nodes

    /// How long a node counts as alive after its last sign.
    public static let leaseSeconds = 10
    /// How often it gives one: three may be lost.
    public static let leaseRefreshSeconds = 3
    /// A dependency that has not answered a command by then counts as unavailable (G11 asks for 2 s to the client).
    public static let storeDeadlineMilliseconds = 1500
    /// How far the clocks of two nodes may be apart for the ids of events to tell histories apart (ADR 20).
    public static let clockSkewMilliseconds = 2000
    /// How long commands wait at most for others to leave with, while the server is busy with earlier ones: not more than
    /// what a person or a deadline would notice.
    public static let redisGatherMicroseconds = 1000
    /// And how many bytes wait: what Redis reads at once.
    public static let redisGatherBytes = 16 * 1024
    /// Strict durability: how long a replica may take to have a write. The answer still leaves within the deadline above.
    public static let redisConfirmMilliseconds = 1000
    /// Strict durability: the pause between two looks whether a replica answers again, while writes are refused.
    public static let redisReplicaProbeMilliseconds = 250
    /// Times that one command is sent to another server of a Redis Cluster: more are servers that disagree.
    public static let redisRedirectionsMax = 5
    /// A command with less than this left of its deadline is not sent again: its answer would come too late, and it
    /// would be unknown what became of it.
    public static let redisLastSendMilliseconds = 100
    /// How long one server of a Redis Cluster may take to say where the slots are, before the next is asked.
    public static let redisMapQuestionMilliseconds = 1000
    /// The pause between two such questions, random below a bound that doubles from the first to the last: a fail-over
    /// is seen within a second of its end, and a fleet does not ask all at once.
    public static let redisMapPauseMilliseconds = 50...1000
    /// The longest pause between two questions to the sentinels who the master is: a fail-over that no broken connection
    /// shows is noticed within it. Each question costs a sentinel some microseconds.
    public static let redisSentinelPollMilliseconds = 1000
    /// The same while the master is away: what is lost by it comes on top of every fail-over.
    public static let redisSentinelHurriedPollMilliseconds = 200
    /// What `unavailable` tells a client to wait.
    public static let unavailableRetryMilliseconds = 1000
    /// How long a drain may take (G10).
    public static let drainSeconds = 25
    /// Sessions per second that a draining node sends away (`APUS_DRAIN_PER_SECOND`): as many as the nodes that take them
    /// let in without a queue.
    public static let drainPerSecond = 1000
}
