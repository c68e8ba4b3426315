import Kafka
import Log
import OperatingSystem
import SigningPipeline

/// The files with certificates, keys and passwords of a stream's clients: librdkafka reads them when a client is made and never again.
struct CredentialFiles {
    /// By property.
    private let certificates: [String: String]
    private let secrets: [String: String]

    init(properties: [String: String], secretFiles: [String: String]) {
        certificates = properties.filter { Self.locations.contains($0.key) }
        secrets = secretFiles
    }

    private static let locations: Set<String> = [
        "ssl.ca.location", "ssl.certificate.location", "ssl.crl.location", "ssl.key.location", "ssl.keystore.location",
    ]

    /// How each stands now, by property. Without what cannot be read twice, or is not there.
    func look() -> [String: FileStatus] {
        certificates.merging(secrets) { $1 }.compactMapValues { path in
            guard let status = try? FileStatus(path: path), status.isRegular else { return nil }
            return status
        }
    }

    /// The secrets as they are in these files now.
    func readSecrets(_ files: [String: FileStatus]) throws(SecretSourceError) -> [String: String] {
        var values: [String: String] = [:]
        for (property, path) in secrets where files[property] != nil {
            let secret = try SecretSource.file(path: path).read()
            values[property] = secret.withBytes { bytes in String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self) }
        }
        return values
    }

    /// What to do after this refusal, where a worker runs.
    func remedy(for cause: KafkaError) -> String {
        cause.code == .authentication && !secrets.keys.contains { $0.hasPrefix("sasl.") }
            ? "its login was not read from a file: restart this worker where that must change"
            : "this worker goes on by itself then, and reads files again that change"
    }
}

// Clients that are made anew because what they were made of has changed.
extension KafkaJobLog {
    /// A producer of what the files have now.
    func makeProducer() throws(JobLogError) -> Producer {
        let files = credentials.look()
        filesTried = files
        do throws(SecretSourceError) { clientSettings = clientSettings.with(try credentials.readSecrets(files)) } catch {
            throw JobLogError(.unavailable, reason: "stream \(stream): cannot make a producer: \(error)", remedy: error.remedy)
        }
        return try attempt("make a producer") { () throws(KafkaError) in
            try Producer(
                properties: clientSettings.transactionalProducer(id: topics.transactionalID(worker: settings.worker)), log: Self.sink(of: report))
        }
    }

    /// Where broker and clients refuse each other and files have changed since these clients were made, new ones take their place. It is no
    /// trouble of theirs if the new files are of no use, or half written: then they stay, and it is tried again at the next change.
    func renewIfRefused() {
        guard hasServed, recentIncidents.contains(where: \.isRefusal) else { return }
        let files = credentials.look()
        guard files != filesTried else { return }
        let changed = Set(files.keys).union(filesTried.keys).filter { files[$0] != filesTried[$0] }.sorted().joined(separator: ", ")
        do throws(JobLogError) {
            let producer = try makeProducer()
            report.info("kafka-renewed", "both clients are made anew: their files have changed", [("properties", .text(changed))])
            dropClients("files of kafka.properties were renewed: \(changed)")
            opening = producer
            incidents = []
        } catch {
            report.warning("kafka-not-renewed", "\(error)", [("properties", .text(changed))])
        }
    }
}
