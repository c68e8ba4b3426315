internal import CRdKafka

/// A record that will not arrive, unless its call is made again.
public struct DeliveryFailure: Sendable {
    /// The number given to `produce`.
    public let tag: Int
    public let error: KafkaError
}

/// Writes records. With `transactional.id` set: only in transactions.
///
/// librdkafka keeps what is produced in a queue of its own (`queue.buffering.max.messages`, `.kbytes`) and sends it on its own
/// threads; failures come back by `takeFailures` after `poll` or `flush`.
public final class Producer: KafkaClient {
    public init(properties: [String: String], log: @escaping @Sendable (KafkaLogLine) -> Void) throws(KafkaError) {
        var properties = properties
        properties["delivery.report.only.error"] = "true"  // a callback a record costs more than the record
        try super.init(RD_KAFKA_PRODUCER, properties: properties, log: log)
    }

    /// Queues a copy of the record.
    ///
    /// - Parameters:
    ///   - partition: nil lets the partitioner choose by the key.
    ///   - tag: comes back if the delivery fails.
    /// - Throws: `.queueFull`, after which the same call may be made again when `poll` has made room; the record's own faults.
    public func produce(
        to topic: String, _ partition: KafkaPartition? = nil, key: [UInt8]?, value: [UInt8]?, headers: [KafkaHeader] = [], tag: Int = 0
    ) throws(KafkaError) {
        // The variadic rd_kafka_producev is not imported; its twin takes an array.
        var fields = [
            rd_kafka_vu_t(vtype: RD_KAFKA_VTYPE_RKT, u: .init(rkt: try topicHandle(topic))),
            rd_kafka_vu_t(vtype: RD_KAFKA_VTYPE_MSGFLAGS, u: .init(i: RD_KAFKA_MSG_F_COPY)),
            rd_kafka_vu_t(vtype: RD_KAFKA_VTYPE_OPAQUE, u: .init(ptr: UnsafeMutableRawPointer(bitPattern: tag))),
            rd_kafka_vu_t(vtype: RD_KAFKA_VTYPE_PARTITION, u: .init(i32: partition?.rawValue ?? RD_KAFKA_PARTITION_UA)),
        ]
        let list = headers.isEmpty ? nil : Self.list(of: headers)
        if let list { fields.append(rd_kafka_vu_t(vtype: RD_KAFKA_VTYPE_HEADERS, u: .init(headers: list))) }
        let error = withOptionalBytes(key) { key in
            withOptionalBytes(value) { value in
                fields.append(rd_kafka_vu_t(vtype: RD_KAFKA_VTYPE_KEY, u: .init(mem: key)))
                fields.append(rd_kafka_vu_t(vtype: RD_KAFKA_VTYPE_VALUE, u: .init(mem: value)))
                return rd_kafka_produceva(handle, fields, fields.count)
            }
        }
        if error != nil, let list { rd_kafka_headers_destroy(list) }  // librdkafka takes the headers over only if it succeeds
        try KafkaError.check(error, "rd_kafka_produceva", of: handle)
    }

    /// Serves callbacks, waiting for a first one at most this long.
    public func poll(for wait: Duration) { rd_kafka_poll(handle, wait.milliseconds) }

    /// Waits until everything produced is delivered or has failed.
    public func flush(within timeout: Duration) throws(KafkaError) {
        try KafkaError.check(rd_kafka_flush(handle, timeout.milliseconds), "rd_kafka_flush", of: handle)
    }

    /// Records that are neither delivered nor failed, and callbacks not served.
    public var outstanding: Int { Int(rd_kafka_outq_len(handle)) }

    /// The deliveries that failed since the last call.
    public func takeFailures() -> [DeliveryFailure] { mailbox.takeUndelivered() }

    /// Makes this producer the only one of its `transactional.id`: fences an older one and ends what it left open.
    ///
    /// Callbacks are not served meanwhile: `poll`, then `takeIncidents` says why it failed. After a retriable error it goes on in the
    /// background, and calling again resumes it.
    public func initTransactions(within timeout: Duration) throws(KafkaError) {
        try KafkaError.check(rd_kafka_init_transactions(handle, timeout.milliseconds), "rd_kafka_init_transactions", of: handle)
    }

    /// Opens a transaction. There is one at a time; it is over when `commit` or `abort` succeeded.
    public func begin() throws(KafkaError) -> Transaction {
        try KafkaError.check(rd_kafka_begin_transaction(handle), "rd_kafka_begin_transaction", of: handle)
        return Transaction(of: self)
    }

    private static func list(of headers: [KafkaHeader]) -> OpaquePointer? {
        let list = rd_kafka_headers_new(headers.count)
        for header in headers {
            withOptionalBytes(header.value) { value in
                _ = rd_kafka_header_add(list, header.name, -1, value.ptr, value.size)
            }
        }
        return list
    }
}

private typealias Memory = rd_kafka_vu_s.__Unnamed_union_u.__Unnamed_struct_mem

/// The bytes as C takes them, for the length of the closure: no pointer means none, an empty array points somewhere.
private func withOptionalBytes<R>(_ bytes: [UInt8]?, _ body: (Memory) -> R) -> R {
    guard let bytes else { return body(Memory(ptr: nil, size: 0)) }
    return bytes.withUnsafeBytes { buffer in
        // librdkafka only reads it (RD_KAFKA_MSG_F_COPY); its field is not const.
        var somewhere: UInt8 = 0
        return withUnsafeMutableBytes(of: &somewhere) {
            body(Memory(ptr: buffer.baseAddress.map { UnsafeMutableRawPointer(mutating: $0) } ?? $0.baseAddress, size: buffer.count))
        }
    }
}
