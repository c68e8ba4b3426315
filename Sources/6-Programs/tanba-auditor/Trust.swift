import Auditor
import CertificateTrust
import CommandLineOptions
import OperatingSystem

/// A command line that parses and still cannot be used.
struct UsageError: Error, CustomStringConvertible {
    let description: String
}

extension Option {
    static let trust = Option("trust", argument: "PEM", help: "roots that signers' certificates must lead to", repeats: true, required: true)
    static let timeStampTrust = Option(
        "tsa-trust", argument: "PEM", help: "roots that time-stamp authorities' certificates must lead to (default: none is trusted)", repeats: true)
    static let json = Option("json", argument: nil, help: "print what a program reads instead of what a person reads")
}

extension Invocation {
    /// The judge that --trust and --tsa-trust make.
    func judge() throws -> SignatureJudge {
        SignatureJudge(anchors: try anchors("trust"), timeStampAnchors: try anchors("tsa-trust"))
    }

    private func anchors(_ option: String) throws -> TrustAnchors {
        var pem: [UInt8] = []
        for path in values(option) {
            do {
                let text = try Files.read(path, atMost: 1 << 20)
                _ = try TrustAnchors(pem: text)
                pem += text + [UInt8(ascii: "\n")]
            } catch {
                throw UsageError(description: "--\(option) \(path): \(error); name a readable PEM file with certificates")
            }
        }
        return pem.isEmpty ? TrustAnchors([]) : try TrustAnchors(pem: pem)
    }
}
