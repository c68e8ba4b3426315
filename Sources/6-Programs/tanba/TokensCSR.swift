import CertificationRequest
import CommandLineOptions
import JSON
import LibCrypto
import OperatingSystem
import TokenCeremony

/// `tanba tokens csr`: the request that an authority issues a certificate for.
struct TokensCSRCommand {
    static let declaration = Command(
        "csr", arguments: "", summary: "write a request for a certificate (PKCS#10), signed by its key",
        options: [
            .keyID,
            Option("subject", argument: "NAME", help: "whom the certificate is for, as in RFC 4514: CN=…,O=…,C=KZ", required: true),
            Option("usage", argument: "digitalSignature|nonRepudiation", help: "key usage to ask for", repeats: true),
            Option("out", short: "o", argument: "FILE", help: "PEM file to write (else standard output)"),
            .configuration, .token, .module, .tokenLabel, .slot, .pin, .json,
        ],
        examples: [
            Example("tanba tokens csr --id 01 --subject \"CN=Office,O=Company,C=KZ\" --out office.csr", "the file goes to the authority"),
            Example(
                "tanba tokens csr --id 01 --subject \"CN=Қол,serialNumber=IIN880101300123,OU=BIN010101000012,C=KZ\" --usage nonRepudiation",
                "with a key usage, to standard output"),
        ])

    private let step: RequestCreation
    private let out: String?
    private let isJSON: Bool

    init(_ invocation: Invocation) throws {
        var usage: KeyUsage = []
        for name in invocation.values("usage") { usage.insert(name == "digitalSignature" ? .digitalSignature : .nonRepudiation) }
        let subject: SubjectName
        do {
            subject = try SubjectName(invocation.value("subject")!)
        } catch {
            throw UsageError(description: "--subject: \(shown("\(error)"))")
        }
        step = RequestCreation(try invocation.tokenPlace(), id: try invocation.keyID(), subject: subject, usage: usage.isEmpty ? nil : usage)
        out = invocation.value("out")
        isJSON = invocation.flag("json")
    }

    func run() throws -> ExitStatus {
        let pem = try step.run().pem
        if let out { try Files.writeAtomically(Array(pem.utf8), to: out) }
        if isJSON {
            var writer = JSONWriter()
            writer.beginObject()
            writer.text("request", pem)
            writer.text("file", out ?? "")
            writer.endObject()
            StandardStreams.writeOut(writer.finish() + [UInt8(ascii: "\n")])
        } else if let out {
            StandardStreams.writeOut("request written to \(shown(out)); import what the authority issues with tanba tokens import\n")
        } else {
            StandardStreams.writeOut(pem)
        }
        return .done
    }
}
