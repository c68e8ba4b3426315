extension Partition {
    /// The partition in which a record with this key has to stand, among `count` (at least 1): murmur2 as Kafka's Java client has it by
    /// default and librdkafka under `partitioner=murmur2`, so that one job id never stands in two partitions.
    public static func holding(key: [UInt8], among count: Int) -> Partition {
        precondition(count > 0, "a topic has at least one partition")
        return Partition(Int32((murmur2(key) & 0x7FFF_FFFF) % UInt32(count)))
    }

    /// Austin Appleby's MurmurHash2 with the seed that Kafka gives it.
    static func murmur2(_ key: [UInt8]) -> UInt32 {
        let m: UInt32 = 0x5BD1_E995
        var hash = 0x9747_B28C ^ UInt32(truncatingIfNeeded: key.count)
        var at = 0
        while key.count - at >= 4 {
            var word = UInt32(key[at]) | UInt32(key[at + 1]) << 8 | UInt32(key[at + 2]) << 16 | UInt32(key[at + 3]) << 24
            word = word &* m
            word ^= word >> 24
            hash = hash &* m ^ (word &* m)
            at += 4
        }
        if at < key.count {
            for index in at..<key.count { hash ^= UInt32(key[index]) << UInt32(8 * (index - at)) }
            hash = hash &* m
        }
        hash ^= hash >> 13
        hash = hash &* m
        return hash ^ hash >> 15
    }
}
