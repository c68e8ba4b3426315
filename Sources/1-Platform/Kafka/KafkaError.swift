internal import CRdKafka

/// What librdkafka said when a call failed, with nothing of it lost.
///
/// The three flags are librdkafka's own (`rd_kafka_error_is_fatal` and its sisters). A call that answers with a bare code sets none
/// of them, except `isFatal` for a client that has failed for good. Equality is by operation, code and flags, not by text.
public struct KafkaError: Error, Sendable, CustomStringConvertible {
    /// librdkafka's function that failed, `error callback` for what it reported by itself, or `delivery` for a record.
    public let operation: String
    public let code: Code
    /// librdkafka's name of the code, such as `_TIMED_OUT` or `GROUP_AUTHORIZATION_FAILED`.
    public let name: String
    /// librdkafka's sentence about this very failure.
    public let text: String
    /// The client is of no more use: it must be closed and made anew.
    public let isFatal: Bool
    /// The same call may be made again with the same arguments.
    public let isRetriable: Bool
    /// The open transaction must be aborted; the producer goes on after that.
    public let requiresAbort: Bool

    public var description: String {
        let flags = [isFatal ? "fatal" : nil, requiresAbort ? "abort" : nil, isRetriable ? "retriable" : nil].compactMap { $0 }
        return "\(operation): \(name)\(flags.isEmpty ? "" : " (\(flags.joined(separator: ", ")))"): \(text)"
    }

    init(
        operation: String, code: Code, text: String? = nil, isFatal: Bool = false, isRetriable: Bool = false, requiresAbort: Bool = false
    ) {
        self.operation = operation
        self.code = code
        name = String(cString: rd_kafka_err2name(code.raw))
        self.text = text ?? String(cString: rd_kafka_err2str(code.raw))
        self.isFatal = isFatal
        self.isRetriable = isRetriable
        self.requiresAbort = requiresAbort
    }
}

extension KafkaError {
    /// What the caller has to do: librdkafka's three flags in the only order in which they may be asked.
    public enum Disposition: Sendable, Hashable {
        /// Close the client and make it anew.
        case fatal
        /// Abort the transaction.
        case abort
        /// Make the same call again.
        case retry
        /// No flag is set. For a transactional call librdkafka's manual says: treat it as fatal.
        case unclassified
    }

    public var disposition: Disposition {
        if isFatal { return .fatal }
        if requiresAbort { return .abort }
        return isRetriable ? .retry : .unclassified
    }

    /// The world may mend this without anyone's help: flagged retriable, or a code that says so by its meaning (calls that answer
    /// with a bare code carry no flags).
    public var isTransient: Bool { !isFatal && !requiresAbort && (isRetriable || Code.transient.contains(code)) }
}

extension KafkaError {
    /// For callers of `poll` whose records did not come: librdkafka goes on trying and says nothing.
    public static func silence(reading position: KafkaPosition, for time: Duration) -> KafkaError {
        KafkaError(operation: "poll", code: .timedOut, text: "nothing came of \(position) for \(time)", isRetriable: true)
    }
}

extension KafkaError {
    /// The `operation` of an incident that says what is wrong with a broker's certificate.
    static let certificateCheck = "certificate check"
}

extension KafkaError: Equatable {
    public static func == (left: KafkaError, right: KafkaError) -> Bool {
        left.operation == right.operation && left.code == right.code && left.disposition == right.disposition
    }
}

extension KafkaError {
    /// An error code: the broker's own from -1 upwards, librdkafka's below -100. Unknown codes survive.
    public struct Code: RawRepresentable, Hashable, Sendable {
        public let rawValue: Int32
        public init(rawValue: Int32) { self.rawValue = rawValue }

        init(_ raw: rd_kafka_resp_err_t) { rawValue = raw.rawValue }
        var raw: rd_kafka_resp_err_t { rd_kafka_resp_err_t(rawValue: rawValue) }
    }
}

extension KafkaError.Code {
    // librdkafka's own
    public static let transport = Self(RD_KAFKA_RESP_ERR__TRANSPORT)
    public static let resolve = Self(RD_KAFKA_RESP_ERR__RESOLVE)
    public static let messageTimedOut = Self(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)
    public static let partitionEOF = Self(RD_KAFKA_RESP_ERR__PARTITION_EOF)
    public static let unknownPartition = Self(RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
    public static let unknownTopic = Self(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
    public static let allBrokersDown = Self(RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
    public static let invalidArgument = Self(RD_KAFKA_RESP_ERR__INVALID_ARG)
    public static let timedOut = Self(RD_KAFKA_RESP_ERR__TIMED_OUT)
    public static let queueFull = Self(RD_KAFKA_RESP_ERR__QUEUE_FULL)
    public static let ssl = Self(RD_KAFKA_RESP_ERR__SSL)
    public static let waitingForCoordinator = Self(RD_KAFKA_RESP_ERR__WAIT_COORD)
    public static let inProgress = Self(RD_KAFKA_RESP_ERR__IN_PROGRESS)
    public static let previousInProgress = Self(RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS)
    public static let wrongState = Self(RD_KAFKA_RESP_ERR__STATE)
    public static let authentication = Self(RD_KAFKA_RESP_ERR__AUTHENTICATION)
    public static let waitingForCache = Self(RD_KAFKA_RESP_ERR__WAIT_CACHE)
    public static let purgedFromQueue = Self(RD_KAFKA_RESP_ERR__PURGE_QUEUE)
    public static let purgedInFlight = Self(RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
    public static let fatal = Self(RD_KAFKA_RESP_ERR__FATAL)
    public static let inconsistent = Self(RD_KAFKA_RESP_ERR__INCONSISTENT)
    public static let pollTooLate = Self(RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED)
    public static let fenced = Self(RD_KAFKA_RESP_ERR__FENCED)
    public static let assignmentLost = Self(RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST)
    public static let offsetOutOfReach = Self(RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
    // the broker's
    public static let unknownTopicOrPartition = Self(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
    public static let invalidTopic = Self(RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION)
    public static let messageTooLarge = Self(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
    public static let illegalGeneration = Self(RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION)
    public static let unknownMember = Self(RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID)
    public static let topicAuthorizationFailed = Self(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
    public static let groupAuthorizationFailed = Self(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
    public static let clusterAuthorizationFailed = Self(RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
    public static let topicAlreadyExists = Self(RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
    public static let transactionalIDAuthorizationFailed = Self(RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    public static let invalidTransactionState = Self(RD_KAFKA_RESP_ERR_INVALID_TXN_STATE)
    public static let invalidProducerEpoch = Self(RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH)
    public static let invalidTransactionTimeout = Self(RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT)
    public static let fencedInstance = Self(RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID)

    static let transient: Set<Self> = [
        transport, resolve, messageTimedOut, allBrokersDown, timedOut, queueFull, waitingForCoordinator, inProgress, previousInProgress,
        waitingForCache, Self(RD_KAFKA_RESP_ERR__RETRY), Self(RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE), Self(RD_KAFKA_RESP_ERR__ISR_INSUFF),
        Self(RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE), Self(RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION),
        Self(RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT), Self(RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE),
        Self(RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE), Self(RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION),
        Self(RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS), Self(RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE),
        Self(RD_KAFKA_RESP_ERR_NOT_COORDINATOR), Self(RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS),
        Self(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS), Self(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND),
        Self(RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS), Self(RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT),
        Self(RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE), Self(RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR),
    ]
}

// MARK: - Making errors of what C returns

extension KafkaError {
    /// Throws if a call answered with a code other than "no error".
    static func check(_ code: rd_kafka_resp_err_t, _ operation: String, of handle: OpaquePointer) throws(KafkaError) {
        if code != RD_KAFKA_RESP_ERR_NO_ERROR { throw KafkaError(code, operation, of: handle) }
    }

    /// Throws if a call answered with an error object, which is consumed: librdkafka hands it over, we destroy it.
    static func check(_ error: OpaquePointer?, _ operation: String, of handle: OpaquePointer) throws(KafkaError) {
        guard let error else { return }
        defer { rd_kafka_error_destroy(error) }
        let code = Code(rd_kafka_error_code(error))
        let text = String(cString: rd_kafka_error_string(error))
        // A client that failed earlier answers _FATAL to everything; the code that it died of says more.
        if code == .fatal, let origin = fatalError(of: handle, operation) { throw origin }
        throw KafkaError(
            operation: operation, code: code, text: text, isFatal: rd_kafka_error_is_fatal(error) != 0,
            isRetriable: rd_kafka_error_is_retriable(error) != 0, requiresAbort: rd_kafka_error_txn_requires_abort(error) != 0)
    }

    init(_ code: rd_kafka_resp_err_t, _ operation: String, of handle: OpaquePointer, text: String? = nil) {
        if Code(code) == .fatal, let origin = KafkaError.fatalError(of: handle, operation) {
            self = origin
        } else {
            self.init(operation: operation, code: Code(code), text: text)
        }
    }

    /// What this client failed of for good, if it did.
    private static func fatalError(of handle: OpaquePointer, _ operation: String) -> KafkaError? {
        var buffer = [CChar](repeating: 0, count: 512)
        let code = rd_kafka_fatal_error(handle, &buffer, buffer.count)
        return code == RD_KAFKA_RESP_ERR_NO_ERROR
            ? nil : KafkaError(operation: operation, code: Code(code), text: text(buffer), isFatal: true)
    }

    /// The text in a buffer that C filled and ended with a zero.
    static func text(_ buffer: [CChar]) -> String {
        String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
