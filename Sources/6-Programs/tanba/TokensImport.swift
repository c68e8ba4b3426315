import CommandLineOptions
import JSON
import LibCrypto
import OperatingSystem
import TokenCeremony

/// `tanba tokens import`: the certificate that an authority issued, put beside its key.
struct TokensImportCommand {
    static let declaration = Command(
        "import", arguments: "PEM", summary: "put a certificate beside its key on the token",
        options: [
            .keyID,
            Option("replace", help: "take the certificate off that the key has now, after a renewal"),
            .configuration, .token, .module, .tokenLabel, .slot, .pin, .json,
        ],
        examples: [Example("tanba tokens import office.pem --id 01", "refused unless it was issued for the key 01")])

    private let step: CertificateImport
    private let isJSON: Bool

    init(_ invocation: Invocation) throws {
        let path = invocation.arguments[0]
        let bytes: [UInt8]
        do {
            bytes = try Files.read(path, atMost: 1 << 20)
        } catch {
            throw UsageError(description: "\(error)")
        }
        let certificate: Certificate
        do {
            // DER begins with a SEQUENCE, PEM with a letter or a dash; of several the first is the signer's, as everywhere.
            certificate = try bytes.first == 0x30 ? Certificate(der: bytes) : Certificate.readPEM(bytes)[0]
        } catch {
            throw UsageError(description: "\(shown(path)): \(error); name a certificate in PEM or DER")
        }
        step = CertificateImport(
            try invocation.tokenPlace(), id: try invocation.keyID(), certificate: certificate, replaces: invocation.flag("replace"))
        isJSON = invocation.flag("json")
    }

    func run() throws -> ExitStatus {
        let replaced = try step.run()
        guard isJSON else {
            let others = replaced == 0 ? "" : ", \(replaced) replaced"
            StandardStreams.writeOut(shown("certificate of \(step.certificate) stands beside the key\(others)") + "\n")
            return .done
        }
        var writer = JSONWriter()
        writer.beginObject()
        writer.text("subject", step.certificate.subject)
        writer.text("serialNumber", step.certificate.serialNumberHex)
        writer.key("replaced")
        writer.integer(Int64(replaced))
        writer.endObject()
        StandardStreams.writeOut(writer.finish() + [UInt8(ascii: "\n")])
        return .done
    }
}
