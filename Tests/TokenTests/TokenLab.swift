import Foundation
import Glibc
import OperatingSystem
import PKCS11
import Testing

/// Real SoftHSM 2 tokens, made when the first test asks, with a fault shim in front (Tests/FaultShim).
///
/// A module is initialised once per process and reads SOFTHSM2_CONF then, so all tests share one folder of tokens and each test
/// that changes a token's state has a token of its own, by label. Every token has the same two keys: RSA-2048 with id 01, P-256 with id 02; some have a second P-256
/// key with id 03.
final class TokenLab: Sendable {
    static let pin = "271828"
    static let rsa: [UInt8] = [1]
    static let p256: [UInt8] = [2]
    static let other: [UInt8] = [3]

    static let softHSM = "/usr/lib/softhsm/libsofthsm2.so"
    static let isAvailable: Bool = {
        let needed = [softHSM, "/usr/bin/softhsm2-util", "/usr/bin/pkcs11-tool", "/usr/bin/openssl", "/usr/bin/cc"]
        let missing = needed.filter { access($0, R_OK) != 0 }
        if !missing.isEmpty { print("SKIPPED: tests on tokens; missing: \(missing.joined(separator: ", "))") }
        return missing.isEmpty
    }()

    /// Labels of the tokens; "twin" is made twice.
    enum Label: String, CaseIterable {
        case signing, wrongPIN, wrongPINShared, finalTry, locked, vague, loggedOut, lostSessions, lostSigner, swapped, renewed, shared,
            reopened
        case metrics, faults
        case suspect, away, awayAtStart, pauses, turns, lockedLater, reader, knee, shortage, noSession, retries, narrow, bounded, outOfOrder, storm
        case methods, counted, fair
        case shimCalls, shimLimit, shimPace, shimRemoved, shimRules, shimShared
        case badDay, goodDay
    }

    static let shared = try! TokenLab()

    let folder: String
    let module: Module
    private let shim: Shim

    /// The functions by which the shim is told what to do. Sendable: C function pointers that never change.
    private struct Shim: @unchecked Sendable {
        let logins: @convention(c) (UnsafePointer<CChar>) -> CInt
        let flags: @convention(c) (UnsafePointer<CChar>, CUnsignedLong) -> Void
        let closeSessions: @convention(c) (UnsafePointer<CChar>) -> CInt
        let failLogin: @convention(c) (UnsafePointer<CChar>, CUnsignedLong, CInt) -> Void
        let failSign: @convention(c) (UnsafePointer<CChar>, CUnsignedLong, CInt, CInt) -> Void
        let swapKeys: @convention(c) (UnsafePointer<CChar>, CInt) -> Void
    }

    private init() throws {
        folder = try FileManager.default.url(
            for: .itemReplacementDirectory, in: .userDomainMask, appropriateFor: FileManager.default.temporaryDirectory, create: true
        ).path
        TokenLab.remove(folder, atExit: true)
        try FileManager.default.createDirectory(atPath: folder + "/tokens", withIntermediateDirectories: true)
        let configuration = folder + "/softhsm2.conf"
        try "directories.tokendir = \(folder)/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
            .write(toFile: configuration, atomically: true, encoding: .utf8)
        setenv("SOFTHSM2_CONF", configuration, 1)

        try TokenLab.run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", folder + "/rsa.key")
        for name in ["p256", "other"] {
            try TokenLab.run(
                "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "\(folder)/\(name).key")
        }
        for name in ["rsa", "p256", "other"] {
            try TokenLab.run(
                "openssl", "req", "-x509", "-new", "-key", "\(folder)/\(name).key", "-subj", "/CN=Token test \(name)", "-days", "30",
                "-addext", "keyUsage=critical,digitalSignature,nonRepudiation", "-out", "\(folder)/\(name).pem")
            try TokenLab.run("openssl", "x509", "-in", "\(folder)/\(name).pem", "-outform", "DER", "-out", "\(folder)/\(name).der")
            try TokenLab.run("openssl", "x509", "-in", "\(folder)/\(name).pem", "-noout", "-pubkey", "-out", "\(folder)/\(name).pub")
        }
        let isForMatrix = TokenLab.matrixTable != nil
        for label in isForMatrix ? TokenLab.matrixLabels + [TokenLab.matrixCalls] : Label.allCases.map(\.rawValue) + ["twin", "twin"] {
            try TokenLab.run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", TokenLab.pin, "--so-pin", "12345678")
            if label == "twin" { continue }
            try Self.importKey("rsa", id: "01", label: label, in: folder)
            try Self.importKey("p256", id: "02", label: label, in: folder)
        }
        if !isForMatrix {
            for label in [Label.swapped, .renewed, .suspect, .badDay] { try Self.importKey("other", id: "03", label: label.rawValue, in: folder) }
            try Self.writeCertificate("p256", id: "02", label: Label.signing.rawValue, in: folder)
            // A certificate that was replaced: its id now stands at another key.
            for name in ["other", "p256"] { try Self.writeCertificate(name, id: "02", label: Label.renewed.rawValue, in: folder) }
            // Keys of every kind that signs
            for (name, id) in Self.furtherKeys {
                try Self.makeKey(name, in: folder)
                try Self.importKey(name, id: Self.hex(id), label: Label.methods.rawValue, in: folder)
            }
        }

        let library = folder + "/faultshim.so"
        try FaultShim.compile(to: library)
        // While nobody uses this module it may be initialised anew; other copies of the shim stand before the same SoftHSM.
        try FaultShim(path: library).shareModule()
        module = try Module.load(path: library, environment: ["TANBA_SHIM_MODULE": TokenLab.softHSM])
        let handle = try #require(dlopen(library, RTLD_NOW))
        shim = Shim(
            logins: unsafeBitCast(try #require(dlsym(handle, "shim_logins")), to: (@convention(c) (UnsafePointer<CChar>) -> CInt).self),
            flags: unsafeBitCast(
                try #require(dlsym(handle, "shim_flags")), to: (@convention(c) (UnsafePointer<CChar>, CUnsignedLong) -> Void).self),
            closeSessions: unsafeBitCast(
                try #require(dlsym(handle, "shim_close_sessions")), to: (@convention(c) (UnsafePointer<CChar>) -> CInt).self),
            failLogin: unsafeBitCast(
                try #require(dlsym(handle, "shim_fail_login")),
                to: (@convention(c) (UnsafePointer<CChar>, CUnsignedLong, CInt) -> Void).self),
            failSign: unsafeBitCast(
                try #require(dlsym(handle, "shim_fail_sign")),
                to: (@convention(c) (UnsafePointer<CChar>, CUnsignedLong, CInt, CInt) -> Void).self),
            swapKeys: unsafeBitCast(
                try #require(dlsym(handle, "shim_swap_keys")), to: (@convention(c) (UnsafePointer<CChar>, CInt) -> Void).self))
    }

    /// Keys of the token `methods` beside those that all have, by their CKA_ID.
    static let furtherKeys: KeyValuePairs<String, [UInt8]> = ["p384": [4], "p521": [5], "ed25519": [6]]

    private static func makeKey(_ name: String, in folder: String) throws {
        let kinds = [
            "p384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "p521": ["EC", "-pkeyopt", "ec_paramgen_curve:P-521"], "ed25519": ["ED25519"],
        ]
        let file = "\(folder)/\(name)"
        try TokenLab.run("openssl", ["genpkey", "-algorithm"] + kinds[name]! + ["-out", file + ".key"])
        try TokenLab.run(
            "openssl", "req", "-x509", "-new", "-key", file + ".key", "-subj", "/CN=Token test \(name)", "-days", "30", "-out", file + ".pem")
        try TokenLab.run("openssl", "x509", "-in", file + ".pem", "-outform", "DER", "-out", file + ".der")
        try TokenLab.run("openssl", "x509", "-in", file + ".pem", "-noout", "-pubkey", "-out", file + ".pub")
    }

    private static func hex(_ id: [UInt8]) -> String { id.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    private static func importKey(_ name: String, id: String, label: String, in folder: String) throws {
        try TokenLab.run(
            "softhsm2-util", "--import", "\(folder)/\(name).key", "--token", label, "--pin", TokenLab.pin, "--label", name, "--id", id)
    }

    private static func writeCertificate(_ name: String, id: String, label: String, in folder: String) throws {
        try TokenLab.run(
            "pkcs11-tool", "--module", TokenLab.softHSM, "--token-label", label, "--login", "--pin", TokenLab.pin, "--write-object",
            "\(folder)/\(name).der", "--type", "cert", "--id", id, "--label", name)
    }

    // MARK: - Tokens

    /// The token, found anew and logged in with the right PIN.
    func token(_ label: Label) throws -> Token {
        let token = try Token(module: module, label: label.rawValue)
        try token.logIn(Secret(Array(TokenLab.pin.utf8)))
        return token
    }

    func file(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))) }

    // MARK: - Faults

    /// How often C_Login reached the token.
    func logins(_ label: Label) -> Int { Int(shim.logins(label.rawValue)) }

    func setFlags(_ flags: TokenInfo.Flags, of label: Label) { shim.flags(label.rawValue, flags.rawValue) }

    /// All sessions with the token are gone at once, between two calls: as a card that is pulled out and put back.
    func closeSessions(of label: Label) { #expect(shim.closeSessions(label.rawValue) == 1) }

    /// C_Login answers `value`, `bad` times.
    func failLogins(of label: Label, with value: ReturnValue, times bad: Int) { shim.failLogin(label.rawValue, value.rawValue, CInt(bad)) }

    /// After `good` more signatures C_Sign answers `value`, `bad` times.
    func failSignatures(of label: Label, with value: ReturnValue, after good: Int = 0, times bad: Int) {
        shim.failSign(label.rawValue, value.rawValue, CInt(good), CInt(bad))
    }

    /// While on, C_SignInit takes the key that was used before the one it is given.
    func swapKeys(of label: Label, _ isOn: Bool) { shim.swapKeys(label.rawValue, isOn ? 1 : 0) }

    // MARK: - Tools

    /// OpenSSL's word on a signature over a digest: ECDSA (DER), or RSA with these options of `openssl pkeyutl`, PKCS#1 v1.5 with SHA-256
    /// where there are none.
    func opensslAccepts(_ signature: [UInt8], digest: [UInt8], key: String, options: [String]? = nil) throws -> Bool {
        let name = folder + "/" + UUID().uuidString
        defer { for suffix in [".sig", ".digest"] { try? FileManager.default.removeItem(atPath: name + suffix) } }
        try Data(signature).write(to: URL(fileURLWithPath: name + ".sig"))
        try Data(digest).write(to: URL(fileURLWithPath: name + ".digest"))
        let files = ["-inkey", "\(folder)/\(key).pub", "-in", name + ".digest", "-sigfile", name + ".sig"]
        let padding = (options ?? (key == "rsa" ? ["rsa_padding_mode:pkcs1", "digest:sha256"] : [])).flatMap { ["-pkeyopt", $0] }
        do { try TokenLab.run("openssl", ["pkeyutl", "-verify", "-pubin"] + files + padding) } catch { return false }
        return true
    }

    struct ToolFailure: Error, CustomStringConvertible { let description: String }

    @discardableResult static func run(_ tool: String, _ arguments: String...) throws -> String { try run(tool, arguments) }

    @discardableResult static func run(_ tool: String, _ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/" + tool)
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw ToolFailure(description: "\(tool) \(arguments.first ?? ""): \(text)") }
        return text
    }

    private static let foldersToRemove = Locked<[String]>([])

    private static func remove(_ folder: String, atExit: Bool) {
        foldersToRemove.withLock { $0.append(folder) }
        atexit { for folder in TokenLab.foldersToRemove.withLock({ $0 }) { try? FileManager.default.removeItem(atPath: folder) } }
    }
}
