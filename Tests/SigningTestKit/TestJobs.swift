public import CMS
import LibCrypto
public import SigningModel

extension Job {
    /// A job for the document that consists of its id's bytes.
    public static func test(_ id: String, profile: String = "p256-b", content: String? = nil, algorithm: DigestAlgorithm = .sha256) -> Job {
        Job(id: id, digest: DocumentDigest(algorithm: algorithm, value: algorithm.function.digest(Array((content ?? id).utf8))), profile: profile)
    }
}
