internal import CRdKafka

/// librdkafka's list of positions, for the length of a call.
struct PositionList: ~Copyable {
    let list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    init(_ positions: [KafkaPosition]) {
        list = rd_kafka_topic_partition_list_new(Int32(positions.count))
        for position in positions {
            let element = rd_kafka_topic_partition_list_add(list, position.topic, position.partition.rawValue)
            element?.pointee.offset = position.offset.rawValue
        }
    }

    deinit { rd_kafka_topic_partition_list_destroy(list) }

    var positions: [KafkaPosition] { KafkaPosition.all(in: list) }

    /// The first error that the call left at one of the positions.
    func checkEach(_ operation: String, of handle: OpaquePointer) throws(KafkaError) {
        for index in 0..<Int(list.pointee.cnt) {
            let element = list.pointee.elems[index]
            if element.err != RD_KAFKA_RESP_ERR_NO_ERROR {
                let text = String(cString: rd_kafka_err2str(element.err))
                throw KafkaError(
                    element.err, operation, of: handle, text: "\(String(cString: element.topic)):\(element.partition): \(text)")
            }
        }
    }
}

extension KafkaPosition {
    /// Copies what a list of librdkafka's holds; the list stays whose it is.
    static func all(in list: UnsafePointer<rd_kafka_topic_partition_list_t>?) -> [KafkaPosition] {
        guard let list else { return [] }
        return (0..<Int(list.pointee.cnt)).map {
            let element = list.pointee.elems[$0]
            return KafkaPosition(String(cString: element.topic), KafkaPartition(element.partition), KafkaOffset(element.offset))
        }
    }
}
