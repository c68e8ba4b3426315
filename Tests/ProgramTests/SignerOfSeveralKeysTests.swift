import Foundation
import OperatingSystem
import Testing

/// A signer with a key on a token and one in a file: both sign, and each signature stands by its own certificate.
@Suite struct SignerOfSeveralKeysTests {
    private static let password = "p12-password-nobody-sees"

    /// The configuration with a signer whose keys are the token's P-256 key and an RSA key in `office.p12`.
    private static func stand(_ keys: String) throws -> ProgramStand {
        try ProgramStand { text in
            text + """
                signers:
                  - name: office
                    keys:
                \(keys)

                """
        }
    }

    private func add(_ profiles: String, to stand: ProgramStand) throws {
        let text = String(decoding: try stand.read("tanba.yaml"), as: UTF8.self)
        try stand.write(text.replacing("profiles:\n", with: "profiles:\n" + profiles, maxReplacements: 1), to: "tanba.yaml")
    }

    private func makeKeyFile(in stand: ProgramStand) async throws {
        let pki = stand.lab.sandbox + "/pki"
        let script = """
            set -e
            openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out file.key
            printf 'basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature,nonRepudiation\\n' > extensions
            openssl req -new -key file.key -subj '/C=KZ/CN=Key in a file' | openssl x509 -req -CA \(pki)/ca.pem -CAkey \(pki)/ca.key \\
                -CAcreateserial -CAserial serial -days 30 -sha256 -extfile extensions -out file.pem
            printf '%s' \(Self.password) > file.password
            openssl pkcs12 -export -inkey file.key -in file.pem -certfile \(pki)/ca.pem -passout file:file.password -out office.p12
            """
        let ended = try await stand.run("/bin/sh", ["-c", script])
        #expect(ended.status == 0, "\(ended)")
    }

    @Test func aTokenAndAKeyFileShareTheWork() async throws {
        let pem = try ProgramLab.shared.get().sandbox + "/pki/p256.pem"
        let stand = try Self.stand(
            """
                  - {token: main, key: "02", certificate: "\(pem)"}
                  - {pkcs12: office.p12, password: "file:file.password"}
            """)
        try add("  - {name: office, signer: office, level: B-B}\n  - {name: pss, signer: office, mechanism: ecdsa, level: B-B}\n", to: stand)
        try await makeKeyFile(in: stand)
        let documents = try stand.writeDocuments(300)
        let ended = try await stand.sign(profile: "office")
        #expect(ended.status == 0, "\(ended)")
        #expect(!(ended.output + ended.errors).contains(Self.password))
        #expect(try stand.signatures() == documents.map { $0 + ".p7s" })
        try await stand.audit(signed: 300)
        var signers: [String: String] = [:]
        for document in documents {
            let ended = try await stand.run(
                "/bin/sh",
                ["-c", "openssl cms -cmsout -print -inform DER -in \"$0\" | grep -c 'ecdsa-with-SHA256'", stand("out/" + document + ".p7s")])
            signers[ended.output.trimmingCharacters(in: .newlines), default: document] = document
        }
        #expect(signers.count == 2, "both keys signed: \(signers)")
        for document in signers.values { try await stand.verify("documents/" + document, signature: "out/" + document + ".p7s") }

        // A mechanism that one of the keys does not have is refused before anything is signed.
        let misfit = try await stand.sign(profile: "pss", out: "other")
        #expect(misfit.status == 2, "\(misfit)")
        #expect(misfit.errors.contains("profile pss") && misfit.errors.contains("office.p12") && misfit.errors.contains("ecdsa"), "\(misfit)")
    }

    @Test func aWrongPasswordNamesTheFile() async throws {
        let stand = try Self.stand("      - {pkcs12: office.p12, password: \"env:WRONG\"}")
        try add("  - {name: office, signer: office, level: B-B}\n", to: stand)
        try await makeKeyFile(in: stand)
        try stand.writeDocuments(1)
        let ended = try await stand.sign(profile: "office", environment: ["WRONG": "not-the-password"])
        #expect(ended.status == 2, "\(ended)")
        #expect(ended.errors.contains("office.p12") && !ended.errors.contains("not-the-password"), "\(ended)")
        #expect(try stand.signatures() == [])
    }
}
