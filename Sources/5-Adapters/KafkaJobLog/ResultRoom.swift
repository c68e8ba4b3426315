import Kafka
import SigningModel
import SigningPipeline

/// What is known of how large a result the topic takes. Nobody asks for its settings, which needs a right of its own: what it refuses
/// tells.
///
/// A batch that is refused as too large names no record. The next ones are delivered record by record, which is slow and finds the one at
/// fault; from then on the pipeline refuses results of its size.
struct ResultRoom {
    /// Records are delivered one at a time.
    private(set) var isSingly = false
    /// The largest result worth trying, where the topic takes less than the contract allows.
    private(set) var bytesMax: Int?
    /// The pipeline is to be told `bytesMax`.
    var isNews = false
    /// What is being delivered by itself: its topic, and the result if it is one.
    private var trying: (topic: String, result: FinishedResult?)?

    /// What a refusal as too large taught.
    enum Lesson {
        /// A result of so many bytes is too large.
        case result(bytes: Int)
        /// Some record of the batch is, or all together are.
        case someRecord
        /// A topic takes not even refusals or what the ledger says: a setting is wrong.
        case topic(String)
    }

    mutating func tries(_ topic: String, _ result: FinishedResult?) { trying = (topic, result) }
    mutating func triedAll() { trying = nil }

    mutating func refused() -> Lesson {
        defer { trying = nil }
        guard let trying else {
            isSingly = true
            return .someRecord
        }
        guard let result = trying.result, result.fingerprint != nil else {
            // Once somebody has mended the topic, batches go whole again.
            isSingly = false
            isNews = bytesMax != nil
            bytesMax = nil
            return .topic(trying.topic)
        }
        isSingly = false
        bytesMax = result.value.count - 1
        isNews = true
        return .result(bytes: result.value.count)
    }
}
