internal import CRdKafka
internal import OperatingSystem

/// A line of librdkafka's own log.
public struct KafkaLogLine: Sendable {
    /// As in syslog: 0 emergency, 3 error, 4 warning, 6 information, 7 debug.
    public var severity: Int
    /// Short and upper case, such as `FAIL` or `CONFWARN`.
    public var facility: String
    public var text: String
}

/// What librdkafka's callbacks leave for the client's owner to fetch: everything crosses as a value.
///
/// One per client; C holds it by the `opaque` pointer from `rd_kafka_new` to after `rd_kafka_destroy`.
final class CallbackMailbox: Sendable {
    private struct State {
        var incidents: [KafkaError] = []
        var rebalances: [Rebalance] = []
        var undelivered: [DeliveryFailure] = []
        var isClosing = false
    }

    private let state = Locked(State())
    let log: @Sendable (KafkaLogLine) -> Void

    init(log: @escaping @Sendable (KafkaLogLine) -> Void) { self.log = log }

    func takeIncidents() -> [KafkaError] {
        state.withLock { state in
            defer { state.incidents = [] }
            return state.incidents
        }
    }

    func takeUndelivered() -> [DeliveryFailure] {
        state.withLock { state in
            defer { state.undelivered = [] }
            return state.undelivered
        }
    }

    func takeRebalance() -> Rebalance? { state.withLock { $0.rebalances.isEmpty ? nil : $0.rebalances.removeFirst() } }

    /// From now on rebalances are answered where they are called back, by giving up everything.
    func close() { state.withLock { $0.isClosing = true } }

    fileprivate func add(_ incident: KafkaError) {
        state.withLock {
            if $0.incidents.count == Self.incidentsMax { $0.incidents.removeFirst() }
            $0.incidents.append(incident)
        }
    }

    fileprivate func add(_ failure: DeliveryFailure) { state.withLock { $0.undelivered.append(failure) } }

    /// False if the mailbox is closing and takes none.
    fileprivate func add(_ rebalance: Rebalance) -> Bool {
        state.withLock {
            if !$0.isClosing { $0.rebalances.append(rebalance) }
            return !$0.isClosing
        }
    }

    /// Incidents nobody fetches are dropped, oldest first, so that an outage of days does not grow.
    private static let incidentsMax = 64

    static func behind(_ opaque: UnsafeMutableRawPointer?) -> CallbackMailbox? {
        opaque.map { Unmanaged<CallbackMailbox>.fromOpaque($0).takeUnretainedValue() }
    }

    /// Sets the callbacks of a configuration that is to become a client of this kind.
    func attach(to configuration: OpaquePointer, opaque: UnsafeMutableRawPointer, kind: rd_kafka_type_t) {
        rd_kafka_conf_set_opaque(configuration, opaque)
        rd_kafka_conf_set_log_cb(configuration, tanbaKafkaLog)
        rd_kafka_conf_set_error_cb(configuration, tanbaKafkaIncident)
        // Without TLS in the library there are no certificates to check, and this does nothing.
        _ = rd_kafka_conf_set_ssl_cert_verify_cb(configuration, tanbaKafkaCertificate)
        if kind == RD_KAFKA_CONSUMER {
            rd_kafka_conf_set_rebalance_cb(configuration, tanbaKafkaRebalance)
        } else {
            rd_kafka_conf_set_dr_msg_cb(configuration, tanbaKafkaDelivery)
        }
    }
}

// The callbacks are nonisolated free functions, not closures: a closure written in isolated code inherits its actor, compiles, and
// traps when librdkafka calls it on a thread of its own.

/// Called on any of librdkafka's threads, from within `rd_kafka_new` on.
private func tanbaKafkaLog(
    handle: OpaquePointer?, level: Int32, facility: UnsafePointer<CChar>?, text: UnsafePointer<CChar>?
) {
    guard let handle, let mailbox = CallbackMailbox.behind(rd_kafka_opaque(handle)) else { return }
    mailbox.log(
        KafkaLogLine(
            severity: Int(level), facility: facility.map { String(cString: $0) } ?? "", text: text.map { String(cString: $0) } ?? ""))
}

/// Called on the thread that polls.
private func tanbaKafkaIncident(
    handle: OpaquePointer?, code: Int32, text: UnsafePointer<CChar>?, opaque: UnsafeMutableRawPointer?
) {
    guard let handle, let mailbox = CallbackMailbox.behind(opaque) else { return }
    mailbox.add(KafkaError(rd_kafka_resp_err_t(code), "error callback", of: handle, text: text.map { String(cString: $0) }))
}

/// Called on a broker's thread for each certificate of its chain, with OpenSSL's verdict, which stays as it is: 2.0.2 says of every bad one
/// the same sentence, so what is wrong is written down here.
private func tanbaKafkaCertificate(
    handle: OpaquePointer?, broker: UnsafePointer<CChar>?, number: Int32, verdict: UnsafeMutablePointer<Int32>?, depth: Int32,
    certificate: UnsafePointer<CChar>?, size: Int, text: UnsafeMutablePointer<CChar>?, textSize: Int, opaque: UnsafeMutableRawPointer?
) -> Int32 {
    guard let handle, let verdict else { return 0 }
    guard verdict.pointee != 0 else { return 1 }
    let fault = certificateFaults[verdict.pointee] ?? "was refused (X509_V_ERR \(verdict.pointee))"
    let place = broker.map { String(cString: $0) } ?? "the broker"
    CallbackMailbox.behind(opaque)?.add(
        KafkaError(
            RD_KAFKA_RESP_ERR__SSL, KafkaError.certificateCheck, of: handle,
            text: "\(place): \(depth == 0 ? "its certificate" : "an issuer of its certificate") \(fault)"))
    return 0
}

/// OpenSSL's numbers for what is wrong with a certificate (x509_vfy.h, X509_V_ERR_…).
private let certificateFaults: [Int32: String] = [
    9: "is not valid yet", 10: "has expired", 18: "is self-signed and not in ssl.ca.location", 19: "leads to a root that is not in ssl.ca.location",
    20: "was issued by somebody who is not in ssl.ca.location", 21: "was issued by somebody who is not in ssl.ca.location", 23: "is revoked",
    62: "is another host's", 64: "is another host's",
]

/// Called on the thread that polls or closes. librdkafka then waits for assign or unassign: the owner of the consumer calls it when
/// it has dealt with the event, which is why the poll under way is told to return (`rd_kafka_yield`). While the consumer closes
/// nobody polls, so the answer is given here.
private func tanbaKafkaRebalance(
    handle: OpaquePointer?, code: rd_kafka_resp_err_t, list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?,
    opaque: UnsafeMutableRawPointer?
) {
    guard let handle, let mailbox = CallbackMailbox.behind(opaque) else { return }
    let partitions = KafkaPosition.all(in: list)
    let rebalance: Rebalance =
        switch code {
        case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS: .assigned(partitions)
        case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS: .revoked(partitions, isLost: rd_kafka_assignment_lost(handle) != 0)
        default: .failed(KafkaError(code, "rebalance callback", of: handle))
        }
    if mailbox.add(rebalance) { rd_kafka_yield(handle) } else { rd_kafka_assign(handle, nil) }
}

/// Called on the thread that polls, flushes or commits. The message stays librdkafka's.
private func tanbaKafkaDelivery(
    handle: OpaquePointer?, message: UnsafePointer<rd_kafka_message_t>?, opaque: UnsafeMutableRawPointer?
) {
    guard let handle, let message, message.pointee.err != RD_KAFKA_RESP_ERR_NO_ERROR,
        let mailbox = CallbackMailbox.behind(opaque)
    else { return }
    let error = KafkaError(message.pointee.err, "delivery", of: handle)
    mailbox.add(DeliveryFailure(tag: Int(bitPattern: message.pointee._private), error: error))
}
