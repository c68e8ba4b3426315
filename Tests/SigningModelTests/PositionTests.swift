import Testing

@testable import SigningModel

@Suite struct PositionTests {
    /// The vectors of Kafka's own unit tests (org.apache.kafka.common.utils.UtilsTest.testMurmur2).
    @Test(arguments: [
        ("21", -973_932_308 as Int32), ("foobar", -790_332_482), ("a-little-bit-long-string", -985_981_536),
        ("a-little-bit-longer-string", -1_486_304_829), ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ("abc", 479_470_107),
    ])
    func murmur2IsKafkas(_ key: String, _ hash: Int32) {
        #expect(Int32(bitPattern: Partition.murmur2(Array(key.utf8))) == hash)
        #expect(Partition.holding(key: Array(key.utf8), among: 7).rawValue == (hash & Int32.max) % 7)
    }

    @Test func positionsAreOrdered() {
        #expect(Offset(9) < Offset(10))
        #expect(Offset(9).next == Offset(10))
        #expect(Partition(0) < Partition(1))
        #expect(SourcePosition(topic: "a.jobs", partition: Partition(3), offset: Offset(7)).description == "a.jobs/3@7")
    }
}
