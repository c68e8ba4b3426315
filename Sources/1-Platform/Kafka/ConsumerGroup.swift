internal import CRdKafka

/// What the group decided about this member's partitions.
public enum Rebalance: Sendable {
    /// All partitions this member has from now on. Answer with `Consumer.assign`, saying where to start in each.
    case assigned([KafkaPosition])
    /// All partitions it had. Answer with `Consumer.unassign`. If they are lost, others may have them already: what was done with
    /// their records cannot be committed any more.
    case revoked([KafkaPosition], isLost: Bool)
    /// Answer with `Consumer.unassign`.
    case failed(KafkaError)
}

/// Who this member is in its group at this moment (member id, generation): sent along with offsets in a transaction, it lets the
/// coordinator refuse those of a member that was thrown out since.
public final class GroupMetadata {
    let metadata: OpaquePointer

    init(_ metadata: OpaquePointer) { self.metadata = metadata }

    deinit { rd_kafka_consumer_group_metadata_destroy(metadata) }
}
