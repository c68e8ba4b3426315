#if Failpoints
    import Glibc
    import OperatingSystem
    import Synchronization
#endif

/// Named points at which a test stops the process as `kill -9` does.
///
/// Empty unless built with `swift build --traits Failpoints --scratch-path .build/failpoints`. There, `TANBA_FAILPOINT=NAME[:N]` kills the
/// process at the N-th passing (the first without N) of that point, and `stop:NAME[:N]` stops it there as SIGSTOP does, until SIGCONT. A name
/// that does not exist ends the process at the first point with a message and status 2, so that a test with a slip of the pen cannot pass.
public enum Failpoint: String, CaseIterable, Sendable {
    case intakeBeforeReceive = "intake-before-receive"
    case intakeAfterReceive = "intake-after-receive"
    case validateBefore = "validate-before"
    case validateAfter = "validate-after"
    case signBefore = "sign-before"
    case signAfter = "sign-after"
    case timestampBefore = "timestamp-before"
    case timestampAfter = "timestamp-after"
    case publishBefore = "publish-before"
    case publishAfter = "publish-after"

    case kafkaBeforeInitTransactions = "kafka-before-init-transactions"
    case kafkaAfterInitTransactions = "kafka-after-init-transactions"
    case kafkaBeforeSubscribe = "kafka-before-subscribe"
    case kafkaAfterSubscribe = "kafka-after-subscribe"
    case kafkaBeforeReadLedger = "kafka-before-read-ledger"
    case kafkaAfterReadLedger = "kafka-after-read-ledger"
    case kafkaBeforeAssign = "kafka-before-assign"
    case kafkaAfterAssign = "kafka-after-assign"
    case kafkaBeforeUnassign = "kafka-before-unassign"
    case kafkaAfterUnassign = "kafka-after-unassign"
    case kafkaBeforePause = "kafka-before-pause"
    case kafkaAfterPause = "kafka-after-pause"
    case kafkaBeforeResume = "kafka-before-resume"
    case kafkaAfterResume = "kafka-after-resume"
    case kafkaBeforeUnsubscribe = "kafka-before-unsubscribe"
    case kafkaAfterUnsubscribe = "kafka-after-unsubscribe"
    case kafkaBeforeClose = "kafka-before-close"
    case kafkaAfterClose = "kafka-after-close"
    case kafkaBeforePoll = "kafka-before-poll"
    case kafkaAfterPoll = "kafka-after-poll"
    case kafkaBeforeBegin = "kafka-before-begin"
    case kafkaAfterBegin = "kafka-after-begin"
    case kafkaBeforeProduceResults = "kafka-before-produce-results"
    case kafkaAfterProduceResults = "kafka-after-produce-results"
    case kafkaBeforeProduceLedger = "kafka-before-produce-ledger"
    case kafkaAfterProduceLedger = "kafka-after-produce-ledger"
    case kafkaBeforeSendOffsets = "kafka-before-send-offsets"
    case kafkaAfterSendOffsets = "kafka-after-send-offsets"
    case kafkaBeforeCommit = "kafka-before-commit"
    case kafkaAfterCommit = "kafka-after-commit"
    case kafkaBeforeAbort = "kafka-before-abort"
    case kafkaAfterAbort = "kafka-after-abort"
    case kafkaBeforeSeek = "kafka-before-seek"
    case kafkaAfterSeek = "kafka-after-seek"
    case kafkaBeforeCommitted = "kafka-before-committed"
    case kafkaAfterCommitted = "kafka-after-committed"

    case embeddedBeforeInsert = "embedded-before-insert"
    case embeddedBeforeCommit = "embedded-before-commit"
    case embeddedAfterCommit = "embedded-after-commit"

    case outputBeforeWrite = "output-before-write"
    case outputAfterWrite = "output-after-write"

    /// All points, for tests that walk them.
    public static let all = allCases

    /// Whether this build stops at failpoints.
    public static var areBuiltIn: Bool {
        #if Failpoints
            true
        #else
            false
        #endif
    }

    /// Here the process may be stopped; in a release this is nothing.
    @inlinable public func pass() {
        #if Failpoints
            countPassing(of: self)
        #endif
    }
}

#if Failpoints
    /// The point that the environment names, and at which passing it ends the process.
    private let armed: (point: Failpoint, passing: Int, stops: Bool)? = {
        guard let text = Host.environment("TANBA_FAILPOINT"), !text.isEmpty else { return nil }
        let stops = text.hasPrefix("stop:")
        let parts = text.dropFirst(stops ? 5 : 0).split(separator: ":", maxSplits: 1)
        guard let point = parts.first.flatMap({ Failpoint(rawValue: String($0)) }), let passing = parts.count == 2 ? Int(parts[1]) : 1,
            passing > 0
        else {
            let names = Failpoint.allCases.map(\.rawValue).joined(separator: ", ")
            StandardStreams.writeError("TANBA_FAILPOINT=\(text) is not [stop:]NAME[:N]; the names are: \(names)\n")
            exit(2)
        }
        return (point, passing, stops)
    }()

    private let passings = Atomic<Int>(0)

    @usableFromInline func countPassing(of point: Failpoint) {
        guard let armed, armed.point == point else { return }
        guard passings.wrappingAdd(1, ordering: .relaxed).newValue == armed.passing else { return }
        if armed.stops { stopThisProcess() } else { killThisProcess() }
    }
#endif
