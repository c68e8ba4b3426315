import Foundation
import OperatingSystem

/// PKCS #12 files made by the `openssl` program, in a folder that goes with the lab.
final class KeyFileLab: Sendable {
    static let password = "Pa55 ПАРОЛЬ"
    let folder: String

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "tanba-keys-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// A file with a key of this kind (arguments of genpkey), its certificate and that of its issuer; gives its path.
    func file(_ name: String, key: String) throws -> String {
        try run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout root.key -out root.pem -subj /CN=Root -days 30")
        try run("genpkey -algorithm \(key) -out \(name).key")
        try run("req -new -key \(name).key -subj /CN=Signer -out \(name).csr")
        try run("x509 -req -in \(name).csr -CA root.pem -CAkey root.key -set_serial 7 -days 30 -out \(name).pem")
        try run(
            "pkcs12 -export -inkey \(name).key -in \(name).pem -certfile root.pem -out \(name).p12 -passout".split(separator: " ").map(String.init)
                + ["pass:" + Self.password])
        return "\(folder)/\(name).p12"
    }

    func read(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))) }

    static func secret(_ text: String = password) -> Secret { Secret(Array(text.utf8)) }

    func run(_ arguments: String) throws { try run(arguments.split(separator: " ").map(String.init)) }

    private func run(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = arguments
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Failure(description: "openssl \(arguments.first ?? ""): \(text)") }
    }

    struct Failure: Error, CustomStringConvertible { let description: String }
}
