import Foundation
import OperatingSystem
import Testing

@Suite struct SecretTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func text(_ secret: Secret) -> String {
        secret.withBytes { bytes in String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self) }
    }

    @Test func aSecretIsLentAndNeverShown() {
        let secret = Secret(Array("12345678".utf8))
        #expect(text(secret) == "12345678")
        #expect(!secret.isEmpty)
        #expect(Secret([]).isEmpty)
        var dumped = ""
        dump(secret, to: &dumped)
        for shown in ["\(secret)", String(reflecting: secret), String(describing: [secret]), dumped] {
            #expect(!shown.contains("1234"))
        }
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }

    @Test func wipingOverwritesAndEmpties() {
        var bytes = Array("12345678".utf8)
        Secret.wipe(&bytes)
        #expect(bytes.isEmpty)
    }

    @Test(arguments: [
        ("file:/run/pin", SecretSource.file(path: "/run/pin")), ("file:a:b", .file(path: "a:b")), ("fd:3", .descriptor(3)),
        ("env:TANBA_PIN", .environment(name: "TANBA_PIN")),
    ])
    func sourcesAreReadAndWritten(text: String, source: SecretSource) {
        #expect(SecretSource(text) == source)
        #expect(source.description == text)
    }

    @Test(arguments: [
        "", "1234", "file:", "fd:", "fd:-1", "fd:+3", "fd:x", "fd:99999999999", "env:", "env:A=B", "FILE:/a", "pin:1234", ":",
    ])
    func whatIsNoSourceIsNil(text: String) {
        #expect(SecretSource(text) == nil)
    }

    @Test(arguments: [("1234", "1234"), ("1234\n", "1234"), ("1234\r\n", "1234"), ("12\n34\n\n", "12\n34\n"), (" 1 ", " 1 ")])
    func oneNewlineAtTheEndIsLeftOut(content: String, expected: String) throws {
        let path = try folder.file("pin", content)
        #expect(text(try SecretSource.file(path: path).read()) == expected)
        let descriptor = open(path, O_RDONLY)
        defer { close(descriptor) }
        #expect(text(try SecretSource.descriptor(descriptor).read()) == expected)
    }

    /// In a process of its own: a variable that is set while other threads look at the environment may be the end of them.
    @Test func aVariableIsRead() async {
        await #expect(processExitsWith: .exitCode(7)) {
            setenv("TANBA_TEST_PIN", "1234\r\n", 1)
            let secret = try SecretSource.environment(name: "TANBA_TEST_PIN").read()
            exit(secret.withBytes { bytes in bytes.indices.map { bytes[$0] } } == Array("1234".utf8) ? 7 : 1)
        }
    }

    @Test func aPipeIsReadToItsEnd() throws {
        let pipe = Pipe()
        try pipe.fileHandleForWriting.write(contentsOf: Data("12".utf8))
        try pipe.fileHandleForWriting.write(contentsOf: Data("34\n".utf8))
        try pipe.fileHandleForWriting.close()
        #expect(text(try SecretSource.descriptor(pipe.fileHandleForReading.fileDescriptor).read()) == "1234")
    }

    /// Every way in which a source can be at fault; the error names the source and a remedy, and nothing of the content.
    @Test func errorsNameTheSourceAndNeverTheContent() throws {
        let long = try folder.file("long", String(repeating: "7", count: 65_537))
        let empty = try folder.file("empty", "\n")
        let cases: [(SecretSource, String)] = [
            (.file(path: folder("none")), "ENOENT"), (.file(path: folder.path), "EISDIR"), (.file(path: long), "too long"),
            (.file(path: empty), "empty"), (.descriptor(987), "EBADF"), (.environment(name: "TANBA_NOT_SET"), "not set"),
        ]
        for (source, reason) in cases {
            let error = try #require(#expect(throws: SecretSourceError.self) { try source.read() })
            #expect(error.source == source)
            #expect(error.reason.contains(reason))
            #expect(error.description.contains("cannot read the secret from \(source): "))
            #expect(!error.remedy.isEmpty)
            #expect(!error.description.contains("777"))
        }
    }
}
