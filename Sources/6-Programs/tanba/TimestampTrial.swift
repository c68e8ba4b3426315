import CMS
import DER
import FoundationEssentials
import JSON
import LibCrypto
import SigningModel
import SigningPipeline
import TimeStampClient
import TimeStampProtocol

/// What `tanba timestamp test` found, for people and for programs.
struct TimestampTrial {
    let name: String
    /// Without user, password and query.
    let address: String
    let trustPath: String
    let askedPolicy: String?
    /// From connecting to the whole answer, or to giving up.
    var elapsed = Duration.zero
    /// When that was, by our clock.
    var answered = Date()
    var token: TimeStampToken?
    /// From the authority's certificate to the root, both included.
    var chain: [Certificate] = []
    var error: TimeStampAuthorityError?
}

extension TimestampTrial {
    private var milliseconds: Double { (elapsed / .milliseconds(1) * 10).rounded() / 10 }

    /// Seconds that the stamped time is ahead of our clock, to the millisecond.
    private func skew(_ token: TimeStampToken) -> Double { (token.time.timeIntervalSince(answered) * 1000).rounded() / 1000 }

    /// How the token is signed; the names of algorithms, or their identifiers where they have none here.
    private func signatureAlgorithm(_ token: TimeStampToken) -> String {
        guard let signer = (try? SignedData(file: token.der, order: .whereHashed))?.signerInfos.first else { return "" }
        let known = KnownAlgorithms.standard
        guard let digest = known.digest(signer.digestAlgorithm), let algorithm = known.signature(signer.signatureAlgorithm, digest: digest) else {
            return signer.signatureAlgorithm.algorithm.dotted
        }
        return algorithm.name
    }

    private func daysLeft(_ certificate: Certificate) -> Int { Int((certificate.notAfter.timeIntervalSince(answered) / 86_400).rounded(.down)) }
}

// MARK: - For people

extension TimestampTrial {
    var text: String { lines.map { shown($0) + "\n" }.joined() }

    private var lines: [String] {
        let title = name == address ? address : "\(name) (\(address))"
        guard let token else {
            guard let error else { return ["\(title): nothing was asked"] }
            return ["\(title): NOT GOOD: \(error.fault)", "  \(error.reason)", "  \(error.remedy)"]
        }
        let skew = skew(token)
        let certificate = token.authority
        let rows = [
            ("time", "\(UTCTimestamp.text(token.time)), \(abs(skew)) s \(skew < 0 ? "behind" : "ahead of") our clock"),
            ("accuracy", token.accuracy.map { "\($0.secondsText) s" } ?? "not stated"),
            ("policy", token.policy.dotted + (askedPolicy == nil ? ", of its own choice" : ", as asked")),
            ("serial", token.serialNumberHex),
            ("authority", certificate.subject),
            (
                "valid",
                "\(UTCTimestamp.text(certificate.notBefore)) to \(UTCTimestamp.text(certificate.notAfter)), \(daysLeft(certificate)) days left"
            ),
            ("algorithms", "imprint \(token.imprint.algorithm.name), signature \(signatureAlgorithm(token)), key \(certificate.publicKey.kind)"),
        ]
        let issuers = chain.dropFirst().map { ("issued by", "\($0.subject), until \(UTCTimestamp.text($0.notAfter))") }
        let rest = [
            ("trusted by", trustPath), ("answer", "\(milliseconds) ms with connecting, \(token.der.count) bytes of token"),
        ]
        return ["\(title): good"]
            + (rows + issuers + rest).map { "  " + $0 + String(repeating: " ", count: max(1, 12 - $0.count)) + $1 }
    }
}

extension Accuracy {
    /// Seconds in decimal, as exact as they were stated.
    fileprivate var secondsText: String {
        let micros = milliseconds * 1000 + microseconds
        guard micros > 0 else { return "\(seconds)" }
        var digits = String(String(1_000_000 + micros).dropFirst())
        while digits.last == "0" { digits.removeLast() }
        return "\(seconds).\(digits)"
    }
}

// MARK: - For programs

extension TimestampTrial {
    var json: String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.text("authority", name)
        writer.text("address", address)
        writer.optional("good", error == nil && token != nil)
        writer.key("milliseconds")
        writer.number(milliseconds)
        if let token { write(token, to: &writer) }
        if let error {
            writer.text("fault", error.fault)
            writer.text("reason", error.reason)
            writer.text("remedy", error.remedy)
        }
        writer.endObject()
        return String(decoding: writer.finish(), as: UTF8.self) + "\n"
    }

    private func write(_ token: TimeStampToken, to writer: inout JSONWriter) {
        writer.text("time", UTCTimestamp.text(token.time))
        writer.key("secondsAhead")
        writer.number(skew(token))
        writer.key("accuracySeconds")
        if let accuracy = token.accuracy {
            writer.number(Double(accuracy.seconds) + Double(accuracy.milliseconds * 1000 + accuracy.microseconds) / 1_000_000)
        } else {
            writer.null()
        }
        writer.text("policy", token.policy.dotted)
        writer.text("serialNumber", token.serialNumberHex)
        writer.text("imprintAlgorithm", token.imprint.algorithm.name)
        writer.text("signatureAlgorithm", signatureAlgorithm(token))
        writer.text("key", "\(token.authority.publicKey.kind)")
        writer.text("trust", trustPath)
        writer.array("chain", chain) { writer, certificate in
            writer.beginObject()
            writer.text("subject", certificate.subject)
            writer.text("serialNumber", certificate.serialNumberHex)
            writer.text("notBefore", UTCTimestamp.text(certificate.notBefore))
            writer.text("notAfter", UTCTimestamp.text(certificate.notAfter))
            writer.key("daysLeft")
            writer.integer(Int64(daysLeft(certificate)))
            writer.endObject()
        }
        writer.key("tokenBytes")
        writer.integer(Int64(token.der.count))
    }
}
