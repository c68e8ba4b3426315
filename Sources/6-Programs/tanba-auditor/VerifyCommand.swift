import Auditor
import CMS
import CommandLineOptions
import FoundationEssentials
import JSON
import LibCrypto
import OperatingSystem

/// `tanba-auditor verify`: signature files with their documents.
struct VerifyCommand {
    static let declaration = Command(
        "verify", arguments: "FILE.p7s…", summary: "verify signature files over their documents",
        options: [
            Option("documents", argument: "DIR", help: "where the documents are; default: beside their signatures"),
            .trust, .timeStampTrust, .json,
        ],
        examples: [
            Example("tanba-auditor verify signed/*.p7s --documents contracts --trust ca.pem --tsa-trust tsa-ca.pem", "verify what tanba sign wrote"),
            Example("tanba-auditor verify signed --documents contracts --trust ca.pem --tsa-trust tsa-ca.pem", "the same, folders within it too"),
        ])

    /// The largest signature file that is read.
    private static let signatureBytesMax = 4 << 20

    private let judge: SignatureJudge
    private let files: [String]
    private let documents: String?
    private let isJSON: Bool

    init(_ invocation: Invocation) throws {
        guard !invocation.arguments.isEmpty else {
            throw UsageError(description: "name at least one FILE.p7s; tanba-auditor verify --help shows how")
        }
        judge = try invocation.judge()
        documents = invocation.value("documents")
        isJSON = invocation.flag("json")
        files = try invocation.arguments.flatMap { path in
            let found = try Files.walk(path)
            // A file is taken as it is named; of a folder, its signatures.
            let isFile = found.count == 1 && found[0].path == path
            return isFile ? [path] : found.map(\.path).filter { $0.hasSuffix(".p7s") }
        }
        if let other = files.first(where: { !$0.hasSuffix(".p7s") }) {
            throw UsageError(description: "\(other) is not named X.p7s, so its document X is not known")
        }
        guard !files.isEmpty else { throw UsageError(description: "no .p7s files in \(invocation.arguments.joined(separator: ", "))") }
    }

    /// What became of one file.
    private enum Outcome: Sendable {
        case judged(SignatureJudge.Verdict)
        /// The file or its document could not be read, so nothing is known of the signature.
        case unread(code: String, sentence: String)
    }

    func run() async throws -> ExitStatus {
        let line = ProgressLine("signatures", total: files.count)
        var (bad, unread) = (0, 0)
        var rest = files[...]
        while !rest.isEmpty {
            let chunk = Array(rest.prefix(256))
            rest = rest.dropFirst(256)
            let outcomes = await CPUWork.map(chunk) { file in verify(file) }
            line.clear()
            for (file, outcome) in zip(chunk, outcomes) {
                switch outcome {
                case .judged(.sound): break
                case .judged(.unsound): bad += 1
                case .unread: unread += 1
                }
                StandardStreams.writeOut(isJSON ? json(file, outcome) : text(file, outcome))
            }
            line.advance(to: files.count - rest.count)
        }
        line.clear()
        if !isJSON { StandardStreams.writeOut("\(files.count - bad - unread) of \(files.count) signatures hold\n") }
        if bad > 0 { return .refused }
        return unread == 0 ? .done : .worldFailed
    }

    private func verify(_ file: String) -> Outcome {
        let signature: [UInt8]
        do {
            signature = try Files.read(file, atMost: Self.signatureBytesMax)
        } catch {
            return .unread(code: "file-unreadable", sentence: "\(error)")
        }
        guard let document = document(of: file) else {
            return .judged(.unsound([("document-missing", "no document for it \(documents.map { "under \($0)" } ?? "beside it")")]))
        }
        var problem: Outcome?
        let verdict = judge.judge(signature) { algorithm in
            var hasher = algorithm.function.makeHasher()
            do {
                _ = try Files.forEachChunk(of: document) { hasher.update($0) }
                return hasher.finish()
            } catch {
                problem = .unread(code: "document-unreadable", sentence: "\(error)")
                return nil
            }
        }
        return problem ?? .judged(verdict)
    }

    /// X for X.p7s: beside it; under `--documents` by the longest end of its path that exists there.
    private func document(of file: String) -> String? {
        let name = String(file.dropLast(".p7s".count))
        guard let documents else { return Files.exists(name) ? name : nil }
        var parts = name.split(separator: "/").filter { $0 != "." && $0 != ".." }[...]
        while !parts.isEmpty {
            let candidate = documents + "/" + parts.joined(separator: "/")
            if Files.exists(candidate) { return candidate }
            parts = parts.dropFirst()
        }
        return nil
    }

    private func text(_ file: String, _ outcome: Outcome) -> String {
        switch outcome {
        case .judged(.sound(let sound)):
            let time =
                sound.timeStamps.first.map { "stamped \($0.time.formatted(.iso8601))" } ?? "signing time \(sound.signingTime.formatted(.iso8601))"
            return "ok   \(file): \(sound.level), \(sound.certificate.subject), \(time)\n"
        case .unread(let code, let sentence): return "ERR  \(file): \(code): \(sentence)\n"
        case .judged(.unsound(let faults)):
            return "BAD  \(file): " + faults.map { "\($0.code): \($0.sentence)" }.joined(separator: "; ") + "\n"
        }
    }

    private func json(_ file: String, _ outcome: Outcome) -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("file")
        writer.string(file)
        writer.key("holds")
        switch outcome {
        case .judged(.sound(let sound)):
            writer.boolean(true)
            writer.key("level")
            writer.string(sound.level)
            writer.key("signer")
            writer.string(sound.certificate.subject)
            writer.key("signingTime")
            writer.string(sound.signingTime.formatted(.iso8601))
            writer.key("timeStamps")
            writer.beginArray()
            for stamp in sound.timeStamps { writer.string(stamp.time.formatted(.iso8601)) }
            writer.endArray()
        case .judged(.unsound(let faults)):
            writer.boolean(false)
            write(faults, &writer)
        case .unread(let code, let sentence):
            writer.null()
            write([(code, sentence)], &writer)
        }
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self) + "\n"
    }

    private func write(_ findings: [(code: String, sentence: String)], _ writer: inout JSONWriter) {
        writer.key("findings")
        writer.beginArray()
        for finding in findings {
            writer.beginObject()
            writer.key("code")
            writer.string(finding.code)
            writer.key("sentence")
            writer.string(finding.sentence)
            writer.endObject()
        }
        writer.endArray()
    }
}
