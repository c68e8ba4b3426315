import Foundation
import Testing

/// `tanba sign` with a key in a PKCS #12 file: what is wrong with it is said before anything is signed, with the profile's name.
@Suite struct KeyFileTests {
    private static let password = "not-to-be-seen"

    /// A stand with the profile `file` (its further lines given), whose key is that of `office.p12`; `token.pem` has another key.
    private func stand(key: String = "ED25519", _ profile: String = "digest: sha512", of keyLines: String = "") async throws -> ProgramStand {
        let stand = try ProgramStand { text in
            text.replacing("profiles:\n", with: "profiles:\n  - {name: file, signer: office, level: B-B, \(profile)}\n", maxReplacements: 1) + """
                signers:
                  - name: office
                    keys: [{pkcs12: office.p12, password: "file:file.password"\(keyLines)}]

                """
        }
        let pki = stand.lab.sandbox + "/pki"
        let script = """
            set -e
            printf 'basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature,nonRepudiation\\n' > extensions
            openssl genpkey -algorithm \(key) -out file.key
            openssl req -new -key file.key -subj '/C=KZ/CN=Key in a file' | openssl x509 -req -CA \(pki)/ca.pem -CAkey \(pki)/ca.key \\
                -CAcreateserial -CAserial serial -days 30 -sha256 -extfile extensions -out file.pem
            printf '%s' \(Self.password) > file.password
            cp \(pki)/p256.pem token.pem
            openssl pkcs12 -export -inkey file.key -in file.pem -passout file:file.password -out office.p12
            """
        let ended = try await stand.run("/bin/sh", ["-c", script])
        #expect(ended.status == 0, "\(ended)")
        try stand.writeDocuments(3)
        return stand
    }

    private func refuses(_ stand: ProgramStand, _ words: String..., location: SourceLocation = #_sourceLocation) async throws {
        let ended = try await stand.sign(profile: "file")
        #expect(ended.status == 2, "\(ended)", sourceLocation: location)
        for word in words { #expect(ended.errors.contains(word), "\(ended)", sourceLocation: location) }
        #expect(!(ended.output + ended.errors).contains(Self.password), "\(ended)", sourceLocation: location)
        #expect(try stand.signatures() == [], sourceLocation: location)
    }

    @Test(arguments: [("ED25519", "digest: sha512"), ("RSA -pkeyopt rsa_keygen_bits:2048", "digest: sha256, mechanism: rsa-pss")])
    func signsAndTheAuditorTakesIt(_ key: String, _ profile: String) async throws {
        let stand = try await stand(key: key, profile)
        let ended = try await stand.sign(profile: "file")
        #expect(ended.status == 0, "\(ended)")
        // The program had prepared its memory before it read the key; only a low limit on locked memory may be said.
        #expect(!ended.errors.contains("OpenSSL"), "\(ended)")
        try await stand.audit(signed: 3)
    }

    @Test func aCertificateMayComeFromAnotherFile() async throws {
        let stand = try await stand(of: ", certificate: file.pem")
        #expect(try await stand.sign(profile: "file").status == 0)
        let other = try await self.stand(of: ", certificate: token.pem")
        try await refuses(other, "profile file", "office.p12: its key is not the one of the certificate of CN=Demo signer P-256")
    }

    @Test func aWrongPasswordIsSaid() async throws {
        let stand = try await stand()
        try stand.write("another", to: "file.password")
        try await refuses(stand, "profile file", "office.p12: the password is wrong")
    }

    @Test func whatDoesNotFitIsNamed() async throws {
        try await refuses(try await stand("digest: sha256"), "profile file", "office.p12", "Ed25519", "CN=Key in a file", "digest sha256")
        try await refuses(try await stand("digest: sha512, mechanism: ecdsa"), "profile file", "mechanism ecdsa", "digest sha512")
        try await refuses(try await stand("digest: sha512, mechanism: 0x80000001"), "profile file", "0x80000001", "one of tokens")
    }
}
