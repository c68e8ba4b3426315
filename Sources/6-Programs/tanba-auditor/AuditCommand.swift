import Auditor
import CommandLineOptions
import EmbeddedResultStream
import KafkaResultStream
import Log
import OperatingSystem
import ResultExport

/// `tanba-auditor audit`: a whole stream.
struct AuditCommand {
    static let declaration = Command(
        "audit", arguments: "", summary: "prove that each job of a stream has its one true result",
        options: [
            Option("stream", short: "s", argument: "NAME", help: "a stream of Kafka, with --bootstrap"),
            Option("bootstrap", argument: "HOST:PORT,…", help: "Kafka's brokers"),
            Option("client-properties", argument: "FILE", help: "librdkafka's settings for them, a NAME=VALUE a line"),
            Option("export", argument: "FILE", help: "the results in a file of tanba results --export; with --bootstrap against their jobs"),
            Option("log", argument: "DIR", help: "an embedded log instead: the folder given to tanba sign --out"),
            .trust, .timeStampTrust,
            Option("pending-allowed", argument: nil, help: "jobs that wait for their result are no finding: the stream is in use"),
            Option(
                "level-changed", argument: "PROFILE", help: "this profile's level was changed on purpose: that it signed at two is no finding",
                repeats: true),
            .json,
        ],
        examples: [
            Example(
                "tanba-auditor audit --stream office --bootstrap broker:9092 --trust ca.pem --tsa-trust tsa-ca.pem", "audit a stream of Kafka"),
            Example(
                "tanba-auditor audit --stream office --bootstrap broker:9092 --export office.jsonl --trust ca.pem", "audit exported results"),
            Example("tanba-auditor audit --log signed --trust ca.pem --tsa-trust tsa-ca.pem --json", "audit a folder that tanba sign made"),
        ])

    private let judge: SignatureJudge
    private let isJSON: Bool
    private let allowsPending: Bool
    private let levelsChanged: Set<String>
    private let stream: any ResultStream

    init(_ invocation: Invocation) throws {
        guard invocation.arguments.isEmpty else { throw UsageError(description: "audit takes no arguments, but \(invocation.arguments[0])") }
        judge = try invocation.judge()
        isJSON = invocation.flag("json")
        allowsPending = invocation.flag("pending-allowed")
        levelsChanged = Set(invocation.values("level-changed"))
        let export = invocation.value("export")
        switch (invocation.value("log"), invocation.value("stream"), invocation.value("bootstrap")) {
        case (let log?, nil, nil) where export == nil: stream = try EmbeddedResultStream(directory: log)
        case (nil, let name?, nil) where export != nil: stream = try ExportedResultStream(path: export!, stream: name, jobs: nil)
        case (nil, let name?, let bootstrap?):
            let properties = try invocation.value("client-properties").map { path in
                do { return try ClientProperties.parse(String(decoding: Files.read(path, atMost: 1 << 20), as: UTF8.self), file: path) } catch {
                    throw UsageError(description: "--client-properties: \(error)")
                }
            }
            let kafka = KafkaResultStream(
                bootstrap: bootstrap, stream: name, properties: properties ?? [:], report: .text(program: "tanba-auditor", minimum: .warning))
            stream = try export.map { try ExportedResultStream(path: $0, stream: name, jobs: kafka) } ?? kafka
        default: throw UsageError(description: "name a stream with --stream, and --bootstrap or --export or both; or a folder with --log")
        }
    }

    func run() async throws -> ExitStatus {
        let line = ProgressLine("jobs")
        let report = try await StreamAudit(stream, judge: judge, allowsPending: allowsPending, levelsChanged: levelsChanged).run { done, total in
            line.expect(total)
            line.advance(to: done)
        }
        line.clear()
        if isJSON {
            StandardStreams.writeOut(report.json + [UInt8(ascii: "\n")])
        } else {
            StandardStreams.writeOut(report.text)
        }
        return report.isClean ? .done : .refused
    }
}
