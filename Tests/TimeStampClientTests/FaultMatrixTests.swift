import Foundation
import OperatingSystem
import Testing

/// Each lie and each kind of outage of an authority, met by a pipeline. Run by Deploy/suites/timestamp-faults, which has the table of
/// docs/timestamp-faults.md written into the file that TANBA_TIMESTAMP_FAULTS names.
@Suite(.serialized, .enabled(if: FaultTable.path != nil)) struct FaultMatrixTests {
    /// An authority, and for its key a certificate of the same root that has no extended key usage.
    private static func pki() throws -> TestPKI {
        let pki = try TestPKI()
        try pki.addAuthority()
        try pki.folder.write("keyUsage=critical,digitalSignature".utf8, to: "bare.extensions")
        try pki.folder.openssl(
            "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile bare.extensions -out bare.pem")
        return pki
    }

    @Test(.timeLimit(.minutes(3))) func noLieIsBelievedAndNoJobIsLost() async throws {
        let pki = try Self.pki()
        var rows = ""
        var lies: [String: String] = [:]
        for fault in FaultCase.all {
            let (alone, together) = (try await fault.meetAlone(pki), try await fault.meetWithAnother(pki))
            #expect(alone.problems.isEmpty, "\(fault), alone: \(alone.problems)")
            #expect(together.problems.isEmpty, "\(fault), with another: \(together.problems)")
            #expect(alone.errors.count == 1, "\(fault) has several names: \(alone.errors)")
            #expect(together.errors == alone.errors, "\(fault): \(together.errors)")
            if fault.isLie { lies[fault.script] = alone.errors.first }
            let jobs = alone.problems.isEmpty ? "wait; all stamped afterwards" : "TROUBLE"
            let others = together.problems.isEmpty ? "stamped by it" : "TROUBLE"
            let errors = alone.errors.map { "`\($0)`" }.joined(separator: ", ")
            rows += "| \(fault.meaning) | `\(fault.script)` | \(errors) | `\(alone.state)` | \(jobs) | \(others) |\n"
        }
        // Who reads the error knows the lie; an answer with another nonce and one without, or two kinds of broken DER, are one
        let twins = ["no-nonce", "garbage", "time -3600"]
        let told = lies.filter { !twins.contains($0.key) }.map(\.value)
        #expect(Set(told).count == told.count, "\(lies)")
        try (FaultTable.head + rows).write(toFile: try #require(FaultTable.path), atomically: true, encoding: .utf8)
    }
}

/// What was measured, as the table of docs/timestamp-faults.md.
private enum FaultTable {
    static let path = ProcessInfo.processInfo.environment["TANBA_TIMESTAMP_FAULTS"]
    static let head = "| the authority | script | error | its state | its jobs | with a second authority |\n|---|---|---|---|---|---|\n"
}
