import CMS
import CommandLineOptions
import Configuration
import DocumentHashing
import JSON
import KafkaJobLog
import Log
import OperatingSystem
import SigningModel
import SigningPipeline

/// `tanba enqueue`: documents become jobs of a stream.
struct EnqueueCommand {
    static let declaration = Command(
        "enqueue", arguments: "PATH…", summary: "put files and folders as jobs into a stream, for workers to sign",
        options: [
            Option("stream", short: "s", argument: "NAME", help: "the stream; its topics are NAME.jobs and NAME.results", required: true),
            Option("profile", short: "p", argument: "NAME", help: "signing profile, one of those the stream allows", required: true),
            Option("package", argument: "NAME", help: "names the documents together; job ids are NAME/relative path", required: true),
            .configuration, .json,
        ],
        examples: [
            Example("tanba enqueue contracts --stream office --profile office --package november", "enqueue a folder"),
            Example("tanba results --stream office --package november --wait --out signed", "wait for its signatures"),
        ])

    /// Documents hashed at once.
    private static let chunkMax = 256

    private let paths: [String]
    private let stream: String
    private let profile: String
    private let package: String
    private let isJSON: Bool
    private let configuration: TanbaConfiguration

    init(_ invocation: Invocation) throws {
        paths = invocation.arguments
        guard !paths.isEmpty else { throw UsageError(description: "name at least one file or folder; tanba enqueue --help shows how") }
        stream = invocation.value("stream")!
        profile = invocation.value("profile")!
        package = invocation.value("package")!
        isJSON = invocation.flag("json")
        configuration = try invocation.configuration()
    }

    func run() async throws -> ExitStatus {
        let kafka = try configuration.requiredKafka()
        let digest = DigestAlgorithm(named: configuration.profiles.first { $0.name == profile }?.digest ?? "sha256")!
        let documents = try listed()
        let writer = try KafkaJobWriter(
            bootstrap: kafka.bootstrap, stream: stream, properties: kafka.properties, report: .text(program: "tanba", minimum: .warning))
        try await writer.connect()
        let progress = ProgressLine("documents", total: documents.count)
        var failures: [String] = []
        var index = 0
        while index < documents.count {
            let chunk = Array(documents[index...].prefix(Self.chunkMax))
            var jobs: [KafkaJobWriter.EnqueuedJob] = []
            for (place, result) in zip(index..., await DocumentSet.hash(chunk, with: digest.function)) {
                switch result {
                case .failure(let problem): failures.append("\(problem.path): \(problem.reason); \(problem.remedy)")
                case .success(let hashed):
                    let job = job(for: hashed, at: place, of: documents.count, digest)
                    jobs.append(.init(key: Array(job.id.utf8), value: job.encoded(), tag: place))
                }
            }
            for job in try await writer.write(jobs) { failures.append("\(documents[job.tag].path): \(job.reason)") }
            index += chunk.count
            progress.advance(to: index)
        }
        for job in try await writer.flush() { failures.append("\(documents[job.tag].path): \(job.reason)") }
        progress.clear()
        for failure in failures { StandardStreams.writeError("tanba: \(failure)\n") }
        report(enqueued: documents.count - failures.count, failed: failures.count)
        return failures.isEmpty ? .done : .refused
    }

    /// All documents, or nothing: the package's count must be true.
    private func listed() throws -> [DocumentSet.Document] {
        let set = DocumentSet(paths: paths, output: nil)
        if let problem = set.problems.first {
            throw UsageError(description: "\(problem.path): \(problem.reason); \(problem.remedy). Nothing was enqueued.")
        }
        guard !set.documents.isEmpty else { throw UsageError(description: "no files in \(paths.joined(separator: ", ")); nothing was enqueued") }
        for document in set.documents {
            let id = id(of: document)
            guard id.utf8.count <= Bounds.idBytesMax else {
                throw UsageError(
                    description: "\(document.path): its job id would have \(id.utf8.count) bytes, \(Bounds.idBytesMax) are allowed;"
                        + " name a folder nearer to it, or a shorter package. Nothing was enqueued.")
            }
            guard !id.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else {
                throw UsageError(
                    description: "a file in \(paths.joined(separator: ", ")) has a control character in its name; rename it."
                        + " Nothing was enqueued.")
            }
        }
        return set.documents
    }

    private func id(of document: DocumentSet.Document) -> String { package + "/" + document.relativePath }

    private func job(for hashed: HashedDocument, at index: Int, of count: Int, _ digest: DigestAlgorithm) -> Job {
        let path = hashed.document.relativePath
        return Job(
            id: id(of: hashed.document), package: Package(id: package, index: Int64(index), count: Int64(count)),
            document: Document(id: path, title: "", name: path, size: Int64(hashed.sizeBytes)),
            digest: DocumentDigest(algorithm: digest, value: hashed.digest), profile: profile)
    }

    private func report(enqueued: Int, failed: Int) {
        guard isJSON else {
            var text = "\(enqueued) enqueued into \(stream) as package \(package)"
            if failed > 0 { text += ", \(failed) not: the package is incomplete; run the same command again when that is mended" }
            return StandardStreams.writeOut(text + "\n")
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("enqueued")
        writer.integer(Int64(enqueued))
        writer.key("failed")
        writer.integer(Int64(failed))
        writer.key("package")
        writer.string(package)
        writer.endObject()
        StandardStreams.writeOut(writer.bytes + [UInt8(ascii: "\n")])
    }
}

extension TanbaConfiguration {
    func requiredKafka() throws(ConfigurationError) -> Kafka {
        if let kafka { return kafka }
        throw ConfigurationError(file: file, line: nil, reason: "kafka.bootstrap is missing", remedy: "add the broker's address")
    }
}
