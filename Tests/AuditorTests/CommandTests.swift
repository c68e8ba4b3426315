import Auditor
import Foundation
import LibCrypto
import SigningModel
import SigningTestKit
import Testing

/// `tanba-auditor` as its users run it: what it reads, what it prints, and its exit status, which is the verdict.
@Suite final class CommandTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "tanba-auditor-command-\(UUID().uuidString)").path
    private let trust: [String]

    init() throws {
        try FileManager.default.createDirectory(atPath: folder + "/in/part", withIntermediateDirectories: true)
        try FileManager.default.createDirectory(atPath: folder + "/out/part", withIntermediateDirectories: true)
        let root = TestPKI.shared.root.certificate.der
        let pem = "-----BEGIN CERTIFICATE-----\n" + Data(root).base64EncodedString(options: .lineLength64Characters) + "\n-----END CERTIFICATE-----\n"
        trust = ["--trust", folder + "/ca.pem", "--tsa-trust", folder + "/ca.pem"]
        try write(Array(pem.utf8), "ca.pem")
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    private func write(_ bytes: [UInt8], _ name: String) throws { try Data(bytes).write(to: URL(fileURLWithPath: folder + "/" + name)) }

    /// A signature over a document, with a time-stamp or without.
    private func sign(_ document: String, isStamped: Bool = false) throws -> [UInt8] {
        var forgery = Forgery()
        if isStamped { forgery.tokens = { [try Forgery.token(over: $0)] } }
        guard case .signed(let signature, _, _) = try forgery.outcome(for: .test(document)) else { return [] }
        return signature.value
    }

    /// Runs the program that was built beside these tests, in the folder.
    private func run(_ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: (tests as NSString).deletingLastPathComponent + "/tanba-auditor")
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        let files = ["output", "errors"].map { folder + "/" + $0 }
        for file in files { try Data().write(to: URL(fileURLWithPath: file)) }
        process.standardOutput = FileHandle(forWritingAtPath: files[0])
        process.standardError = FileHandle(forWritingAtPath: files[1])
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        let texts = try files.map { try String(contentsOfFile: $0, encoding: .utf8) }
        return (process.terminationStatus, texts[0], texts[1])
    }

    @Test func verifyFindsTheDocumentBesideItsSignature() throws {
        try write(Array("one".utf8), "in/one")
        try write(try sign("one"), "in/one.p7s")
        let ended = try run(["verify", "in/one.p7s"] + trust)
        #expect(ended.status == 0, "\(ended)")
        #expect(ended.output.contains("ok   in/one.p7s: B-B, ") && ended.output.hasSuffix("1 of 1 signatures hold\n"), "\(ended)")
    }

    @Test func verifyFindsDocumentsByTheirRelativePath() throws {
        for (name, content) in [("part/one", "one"), ("two", "two")] {
            try write(Array(content.utf8), "in/" + name)
            try write(try sign(content, isStamped: true), "out/\(name).p7s")
        }
        // Of the same name, and not meant
        try write(Array("another".utf8), "in/one")
        let ended = try run(["verify", "out/part/one.p7s", "out/two.p7s", "--documents", "in", "--json"] + trust)
        #expect(ended.status == 0, "\(ended)")
        let lines = try ended.output.split(separator: "\n").map { try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] }
        #expect(lines.count == 2 && lines.allSatisfy { $0?["holds"] as? Bool == true && $0?["level"] as? String == "B-T" }, "\(ended)")
        #expect(try run(["verify", "out", "--documents", "in"] + trust).output.hasSuffix("2 of 2 signatures hold\n"))
    }

    @Test func verifySaysWhatDoesNotHold() throws {
        try write(Array("one".utf8), "in/one")
        try write(try sign("two"), "in/one.p7s")
        try write(try sign("gone"), "in/gone.p7s")
        try write([1, 2, 3], "in/garbage.p7s")
        try write([], "in/garbage")
        let files = ["in/one.p7s", "in/gone.p7s", "in/garbage.p7s"]
        var ended = try run(["verify"] + files + trust)
        #expect(ended.status == 1, "\(ended)")
        for code in ["document-digest-differs", "document-missing", "not-der"] { #expect(ended.output.contains(code), "\(ended)") }
        #expect(ended.output.hasSuffix("0 of 3 signatures hold\n"))
        ended = try run(["verify", "in/garbage.p7s", "--json"] + trust)
        let line = try #require(try JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any])
        #expect(line["holds"] as? Bool == false && (line["findings"] as? [[String: String]])?.first?["code"] == "not-der", "\(ended)")
    }

    @Test func whoIsNotTrustedIsNot() throws {
        try write(Array("one".utf8), "in/one")
        try write(try sign("one", isStamped: true), "in/one.p7s")
        // No --tsa-trust: no authority is trusted
        let ended = try run(["verify", "in/one.p7s"] + trust.prefix(2))
        #expect(ended.status == 1 && ended.output.contains("timestamp-certificate-untrusted"), "\(ended)")
    }

    @Test func whatCannotBeReadIsTheWorldsFault() throws {
        #expect(try run(["verify", "in/nowhere.p7s"] + trust).status == 3)
        #expect(try run(["audit", "--log", "nowhere"] + trust).status == 3)
        // A folder where the document should be
        try write(try sign("one"), "in/one.p7s")
        try FileManager.default.createDirectory(atPath: folder + "/in/one", withIntermediateDirectories: true)
        let ended = try run(["verify", "in/one.p7s"] + trust)
        #expect(ended.status == 3 && ended.output.contains("document-unreadable"), "\(ended)")
    }

    @Test(arguments: [
        [], ["verify"], ["verify", "in/one.p7s"], ["audit", "--trust", "ca.pem"], ["audit", "--log", "out", "--stream", "s", "--trust", "ca.pem"],
        ["audit", "--stream", "s", "--trust", "ca.pem"], ["audit", "more", "--log", "out", "--trust", "ca.pem"],
        ["verify", "ca.pem", "--trust", "ca.pem"],
        ["verify", "in", "--trust", "nowhere.pem"], ["verify", "in", "--trust", "empty.pem"], ["verify", "in", "--trust", "ca.pem", "--config", "x"],
        ["sign"],
    ])
    func aCommandLineThatCannotBeUsed(_ arguments: [String]) throws {
        try write([], "empty.pem")
        let ended = try run(arguments)
        #expect(ended.status == 2 && ended.output.isEmpty && ended.errors.hasPrefix("tanba-auditor"), "\(ended)")
    }
}
