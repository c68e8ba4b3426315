import CMS
import Foundation
import LibCrypto

@testable import SigningModel

/// A job that keeps every rule, as text to be changed in one place, and the values it reads as.
enum Samples {
    static let digest = DigestFunction.sha256.digest(Array("a document".utf8))

    static let job = Job(
        id: "contracts/agreement-1.pdf", package: Package(id: "contracts", index: 0, count: 3),
        document: Document(id: "doc-1", title: "Agreement \"1\"", name: "agreement-1.pdf", size: 1024),
        digest: DocumentDigest(algorithm: .sha256, value: digest), profile: "p256-t", expires: Date(timeIntervalSince1970: 1_800_000_000),
        attributes: Array(#"{"department": 7, "tags": ["a", "b"]}"#.utf8))

    /// The members of a minimal job, in order; a nil leaves one out, another value replaces or adds it.
    static func text(_ changes: KeyValuePairs<String, String?> = [:]) -> String {
        var members = [
            ("version", "1"), ("job", "\"j-1\""), ("profile", "\"p\""),
            ("digest", "{\"algorithm\":\"sha256\",\"value\":\"\(Data(digest).base64EncodedString())\"}"),
        ]
        for (key, value) in changes {
            members.removeAll { $0.0 == key }
            if let value { members.append((key, value)) }
        }
        return "{" + members.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    static func read(_ text: String) -> JobReading { Job.read(Array(text.utf8)) }

    static func refused(_ text: String) -> UnreadableJob? {
        if case .refused(let unreadable) = read(text) { unreadable } else { nil }
    }
}
