import Foundation
import HTTPClient
import OperatingSystem
import Testing

/// `Deploy/demo-tsa`, compiled once for all tests of this process and run for one test: OpenSSL makes the tokens that are judged here.
final class DemoAuthority: Sendable {
    let port: Int
    private let process: Process
    private let scriptPath: String

    var url: String { "http://127.0.0.1:\(port)/" }
    var pid: Int32 { process.processIdentifier }

    /// Runs until this object goes; listens when this returns, unless its script is `dead`.
    /// - Parameter script: how it misbehaves, in the language that the top of demo-tsa.c describes.
    init(
        _ pki: TestPKI, _ name: String = "tsa", policy: String = "1.2.3.4.1", port: Int = 0, script: String = "", more: [String] = []
    ) throws {
        scriptPath = pki.folder("script-\(UUID().uuidString)")
        try Files.writeAtomically(Array(script.utf8), to: scriptPath, durably: false)
        let portFile = pki.folder("port-\(UUID().uuidString)")
        process = Process()
        process.executableURL = URL(fileURLWithPath: try Self.program.get())
        process.arguments =
            ["--certificate", pki.folder("\(name).pem"), "--key", pki.folder("\(name).key"), "--policy", policy] + [
                "--port", "\(port)", "--port-file", portFile, "--script", scriptPath,
            ] + more
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        // It is written by rename, so it is whole as soon as it is there
        while !Files.exists(portFile), process.isRunning { usleep(1000) }
        self.port = try #require(Int(String(decoding: try Files.read(portFile, atMost: 16), as: UTF8.self).dropLast()))
    }

    deinit { stop() }

    /// From its next request on it behaves as these lines say; but `dead` it is a moment later, and also not dead any more.
    func follow(_ script: String) throws { try Files.writeAtomically(Array(script.utf8), to: scriptPath, durably: false) }

    /// How many requests there were since its start, and what became of them, by the names of `GET /counts`.
    func counts() async throws -> [String: Int] {
        let answer = try await HTTPClient().send(HTTPRequest(.get, try HTTPAddress(url + "counts")))
        return try JSONDecoder().decode([String: Int].self, from: Data(answer.body))
    }

    /// Ends it by SIGTERM, as its users do, and returns its exit status.
    @discardableResult func stop() -> Int32 {
        process.terminate()
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Compiled in a folder that goes when this process ends.
    static let program = Result {
        let folder = try TestFolder()
        let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        try folder.run(repository.appending(path: "Deploy/demo-tsa/build").path, [folder("demo-tsa")])
        folderOfProgram.withLock { $0 = folder }
        atexit { folderOfProgram.withLock { $0 = nil } }
        return folder("demo-tsa")
    }
}

private let folderOfProgram = Locked<TestFolder?>(nil)

/// A root, and authorities under it, made by the `openssl` program for one test.
final class TestPKI: Sendable {
    let folder: TestFolder

    /// Makes `ca.pem`.
    init() throws {
        folder = try TestFolder()
        try folder.openssl("ecparam -name prime256v1 -genkey -noout -out ca.key")
        try folder.run(
            "openssl",
            ["req", "-x509", "-new", "-key", "ca.key", "-subj", "/CN=Test TSA root", "-days", "30", "-out", "ca.pem"] + [
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            ])
    }

    enum Key: String {
        case p256 = "EC -pkeyopt ec_paramgen_curve:P-256"
        case p384 = "EC -pkeyopt ec_paramgen_curve:P-384"
        case rsa2048 = "RSA -pkeyopt rsa_keygen_bits:2048"
    }

    /// Makes NAME.key and NAME.pem, fit to stamp.
    func addAuthority(_ name: String = "tsa", key: Key = .p256) throws {
        try folder.openssl("genpkey -algorithm \(key.rawValue) -out \(name).key")
        try folder.run("openssl", ["req", "-new", "-key", "\(name).key", "-subj", "/CN=Test TSA \(name)", "-out", "\(name).csr"])
        let extensions = [
            "extendedKeyUsage=critical,timeStamping", "keyUsage=critical,digitalSignature", "subjectKeyIdentifier=hash",
            "authorityKeyIdentifier=keyid",
        ]
        try folder.write(extensions.joined(separator: "\n").utf8, to: "\(name).extensions")
        try folder.openssl(
            "x509 -req -in \(name).csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile \(name).extensions -out \(name).pem")
    }
}
