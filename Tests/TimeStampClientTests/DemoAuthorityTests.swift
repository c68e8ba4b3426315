import Foundation
import HTTPClient
import OperatingSystem
import Testing

/// The demo authority itself, with OpenSSL's programs on the other side.
@Suite struct DemoAuthorityTests {
    private static func post(_ authority: DemoAuthority, _ body: [UInt8], type: String = "application/timestamp-query") async throws
        -> HTTPAnswer
    {
        try await HTTPClient().send(HTTPRequest(.post, try HTTPAddress(authority.url), fields: [("Content-Type", type)], body: body))
    }

    @Test(arguments: [TestPKI.Key.p256, .p384, .rsa2048], ["sha256", "sha384", "sha512"])
    func itsAnswersVerify(_ key: TestPKI.Key, _ digest: String) async throws {
        let pki = try TestPKI()
        try pki.addAuthority(key: key)
        let authority = try DemoAuthority(pki)
        try pki.folder.write("document".utf8, to: "document")
        try pki.folder.openssl("ts -query -data document -\(digest) -cert -out query")
        let answer = try await Self.post(authority, pki.folder.read("query"))
        #expect(answer.status == 200 && answer.mediaType == "application/timestamp-reply")
        try pki.folder.write(answer.body, to: "reply")
        #expect(try pki.folder.openssl("ts -verify -queryfile query -in reply -CAfile ca.pem").output.contains("Verification: OK"))
        // certReq is honoured, and no more than the leaf is sent
        try pki.folder.openssl("ts -reply -in reply -token_out -out token")
        #expect(
            try pki.folder.openssl("pkcs7 -inform DER -in token -print_certs -noout").output.components(separatedBy: "subject=").count == 2)
        let text = try pki.folder.openssl("asn1parse -inform DER -in token").output
        #expect(text.contains("id-smime-aa-signingCertificateV2") && !text.contains("id-smime-aa-signingCertificate\n"))
        try pki.folder.openssl("ts -query -data document -\(digest) -out bare-query")
        try pki.folder.write(try await Self.post(authority, pki.folder.read("bare-query")).body, to: "bare-reply")
        try pki.folder.openssl("ts -reply -in bare-reply -token_out -out bare-token")
        #expect(!(try pki.folder.openssl("pkcs7 -inform DER -in bare-token -print_certs -noout").output.contains("subject=")))
        #expect(authority.stop() == 0)
    }

    @Test func whatItCannotServeIsRejectedProperly() async throws {
        let pki = try TestPKI()
        try pki.addAuthority()
        let authority = try DemoAuthority(pki, more: ["--digests", "sha256"])
        try pki.folder.write("document".utf8, to: "document")
        for (options, reason) in [
            ("-sha512", "unrecognized or unsupported algorithm"), ("-sha256 -tspolicy 1.2.3.4.9", "policy is not supported"),
        ] {
            try pki.folder.openssl("ts -query -data document \(options) -out query")
            let answer = try await Self.post(authority, pki.folder.read("query"))
            #expect(answer.status == 200)
            try pki.folder.write(answer.body, to: "reply")
            let text = try pki.folder.openssl("ts -reply -in reply -text").output
            #expect(text.contains("Status: Rejected.") && text.contains(reason))
        }
    }

    @Test func garbageIs400AndDoesNotEndIt() async throws {
        let pki = try TestPKI()
        try pki.addAuthority()
        let authority = try DemoAuthority(pki)
        try pki.folder.write("document".utf8, to: "document")
        try pki.folder.openssl("ts -query -data document -sha256 -cert -out query")
        let query = try pki.folder.read("query")
        let noise = Randomness.bytes(5000)
        let garbage: [[UInt8]] = [[], [0x30], Array("garbage".utf8), query.dropLast(), query + [0], noise]
        for body in garbage {
            #expect(try await Self.post(authority, body).status == 400)
        }
        #expect(try await Self.post(authority, [UInt8](repeating: 0, count: 70_000)).status == 413)
        #expect(try await Self.post(authority, query, type: "text/plain").status == 415)
        #expect(try await HTTPClient().send(HTTPRequest(.get, try HTTPAddress(authority.url))).status == 405)
        #expect(try await Self.post(authority, query).status == 200)
    }

    @Test func twoHundredAtOnceGetDifferentSerialNumbers() async throws {
        let pki = try TestPKI()
        try pki.addAuthority()
        let authority = try DemoAuthority(pki)
        try pki.folder.write("document".utf8, to: "document")
        try pki.folder.openssl("ts -query -data document -sha256 -out query")
        let (query, client, address) = (try pki.folder.read("query"), try HTTPClient(), try HTTPAddress(authority.url))
        let request = HTTPRequest(.post, address, fields: [("Content-Type", "application/timestamp-query")], body: query)
        let answers = try await withThrowingTaskGroup(of: HTTPAnswer.self) { group in
            for _ in 0..<200 { group.addTask { try await client.send(request) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.allSatisfy { $0.status == 200 })
        #expect(Set(answers.map(\.body)).count == 200)
    }

    @Test func badOptionsEndItWithAReason() throws {
        let pki = try TestPKI()
        try pki.addAuthority()
        try pki.addAuthority("other")
        let program = try DemoAuthority.program.get()
        func run(_ arguments: String, expecting status: Int32) throws -> String {
            try pki.folder.run(program, arguments.split(separator: " ").map(String.init), expecting: status).output
        }
        #expect(try run("--certificate ca.pem --key ca.key --policy 1.2.3 --port 0", expecting: 3).contains("extended key usage"))
        #expect(
            try run("--certificate tsa.pem --key other.key --policy 1.2.3 --port 0", expecting: 3).contains(
                "the key is not the certificate's"))
        #expect(try run("--certificate none.pem --key tsa.key --policy 1.2.3 --port 0", expecting: 3).contains("none.pem"))
        #expect(try run("--certificate tsa.pem --key tsa.key --policy 1.x", expecting: 2).contains("--policy: 1.x"))
        #expect(try run("--certificate tsa.pem --key tsa.key --policy 1.2.3 --digests md5000", expecting: 2).contains("md5000"))
        #expect(try run("--certificate tsa.pem --key tsa.key --policy 1.2.3 --port 70000", expecting: 2).contains("--port: 70000"))
        #expect(try run("", expecting: 2).contains("usage:"))
    }
}
