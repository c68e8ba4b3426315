import Foundation
import Testing

/// A SoftHSM folder of one test, PINs in files, and `tanba` run as a program in it.
final class Stand: Sendable {
    static let module = "/usr/lib/softhsm/libsofthsm2.so"
    static let isAvailable: Bool = {
        let needed = [module, "/usr/bin/openssl", "/usr/bin/softhsm2-util", "/usr/bin/cc"]
        let missing = needed.filter { access($0, R_OK) != 0 }
        if !missing.isEmpty { print("SKIPPED: tests of the key ceremony; missing: \(missing.joined(separator: ", "))") }
        return missing.isEmpty
    }()

    static let pin = "271828"
    static let officerPIN = "31415926"

    let folder: Folder

    init() throws {
        folder = try Folder()
        try FileManager.default.createDirectory(atPath: folder("tokens"), withIntermediateDirectories: true)
        try folder.write("directories.tokendir = \(folder("tokens"))\nlog.level = ERROR\n", to: "softhsm2.conf")
        try folder.write(Self.pin + "\n", to: "pin")
        try folder.write(Self.officerPIN + "\n", to: "so-pin")
        try folder.write("000000\n", to: "wrong-pin")
    }

    /// The token as the command line names it, with the right PIN.
    let office = ["--module", Stand.module, "--label", "office", "--pin", "file:pin"]

    /// `tanba tokens …`
    func tokens(_ words: [String], environment: [String: String] = [:]) throws -> Ended {
        try tanba(["tokens"] + words, environment: environment)
    }

    func tanba(_ words: [String], environment: [String: String] = [:]) throws -> Ended {
        let program = try Self.program()
        let environment = ["SOFTHSM2_CONF": folder("softhsm2.conf")].merging(environment) { $1 }
        return try run(program, words, environment: environment, in: folder.path)
    }

    /// The same, which must be done.
    @discardableResult func done(_ words: [String], sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        let ended = try tokens(words)
        try #require(ended.status == 0, "\(words)\n\(ended)", sourceLocation: sourceLocation)
        #expect(ended.errors == "", sourceLocation: sourceLocation)
        return ended.output
    }

    /// The same, which must end with a status and say each of these on standard error, and no PIN anywhere.
    func ends(
        _ status: Int32, _ words: [String], saying parts: [String], environment: [String: String] = [:],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let ended = try tokens(words, environment: environment)
        #expect(ended.status == status, "\(words)\n\(ended)", sourceLocation: sourceLocation)
        for part in parts { #expect(ended.errors.contains(part), "\(words)\n\(ended)", sourceLocation: sourceLocation) }
        for pin in [Self.pin, Self.officerPIN, "000000"] {
            #expect(!(ended.output + ended.errors).contains(pin), "a PIN is shown: \(ended)", sourceLocation: sourceLocation)
        }
    }

    /// A token "office", and in it a key for each kind, with the ids 01, 02 and so on.
    func prepare(_ kinds: String...) throws {
        try done(["init"] + office + ["--so-pin", "file:so-pin"])
        for (index, kind) in kinds.enumerated() { try done(["key"] + office + ["--kind", kind, "--id", "0\(index + 1)"]) }
    }

    /// What `tokens list --json` says of the token "office".
    func listing(_ words: [String]? = nil) throws -> Listing.Token {
        let ended = try tokens(["list", "--json"] + (words ?? office))
        let listing = try JSONDecoder().decode(Listing.self, from: Data(ended.output.utf8))
        return try #require(listing.modules.first?.tokens.first { $0.label == "office" }, "\(ended)")
    }

    /// Every slot of the module, looked at without a PIN.
    func listingOfAll() throws -> [Listing.Token] {
        let ended = try tokens(["list", "--json", "--module", Self.module])
        return try #require(try JSONDecoder().decode(Listing.self, from: Data(ended.output.utf8)).modules.first?.tokens, "\(ended)")
    }

    /// An authority, `ca.pem`.
    func makeAuthority() throws {
        try openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj",
            "/C=KZ/CN=Ceremony test authority", "-days", "30", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    }

    /// Asks for a certificate of the key and issues it: `ID.pem`, or the other name.
    func issue(_ id: String, subject: String = "CN=Office,C=KZ", to name: String? = nil) throws {
        try done(["csr"] + office + ["--id", id, "--subject", subject, "--usage", "nonRepudiation", "--out", "\(id).csr"])
        let verified = try openssl("req", "-in", "\(id).csr", "-verify", "-noout")
        #expect(verified.contains("verify OK"), "\(verified)")
        try openssl(
            "x509", "-req", "-in", "\(id).csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "20", "-copy_extensions", "copy", "-out",
            name ?? "\(id).pem")
    }

    @discardableResult func openssl(_ arguments: String...) throws -> String {
        let ended = try run("/usr/bin/openssl", arguments, in: folder.path)
        try #require(ended.status == 0, "openssl \(arguments)\n\(ended)")
        return ended.output + ended.errors
    }

    // MARK: - A module that counts

    /// Environment and module of the fault shim in front of SoftHSM, with these rules.
    func shim(rules: String = "") throws -> (module: String, environment: [String: String]) {
        try folder.write(rules, to: "rules")
        let environment = ["TANBA_SHIM_MODULE": Self.module, "TANBA_SHIM_RULES": folder("rules"), "TANBA_SHIM_COUNTS": folder("counts")]
        return (try Self.builtShim.get(), environment)
    }

    /// How often a function was called for the token "office" by the last program with the shim.
    func calls(_ function: String) throws -> Int {
        let lines = try folder.read("counts").split(separator: "\n").map { $0.split(separator: "\t") }
        return lines.first { $0.count == 3 && $0[0] == "office" && $0[1] == function }.flatMap { Int($0[2]) } ?? 0
    }

    private static let builtShim = Result<String, any Error> {
        let library = builtShimFolder + "/faultshim.so"
        try FileManager.default.createDirectory(atPath: builtShimFolder, withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(atPath: Stand.builtShimFolder) }
        let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/FaultShim"
        let flags = try run("/usr/bin/pkg-config", ["--cflags", "p11-kit-1"]).output.split(whereSeparator: \.isWhitespace).map(String.init)
        let sources = try FileManager.default.contentsOfDirectory(atPath: source).filter { $0.hasSuffix(".c") }.map { source + "/" + $0 }
        let built = try run("/usr/bin/cc", ["-shared", "-fPIC", "-O1", "-o", library] + sources + flags + ["-ldl", "-lpthread"])
        try #require(built.status == 0, "\(built)")
        return library
    }

    private static let builtShimFolder = FileManager.default.temporaryDirectory.appending(path: "tanba-ceremony-shim-\(getpid())").path

    /// `tanba`, built together with the tests.
    static func program() throws -> String {
        (try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") as NSString).deletingLastPathComponent + "/tanba"
    }
}

/// What `tanba tokens list --json` prints.
struct Listing: Decodable {
    struct Module: Decodable {
        var problems: [String]
        var tokens: [Token]
    }
    struct Token: Decodable {
        var slot: UInt
        var label: String
        var initialised: Bool
        var loggedIn: Bool
        var signs: [String]
        var conditions: [String]
        var keys: [Key]
        var certificates: [Certificate]
        var problems: [String]
    }
    struct Key: Decodable {
        var id: String
        var label: String
        var kind: String
        var `private`: Bool
        var extractable: Bool?
        var madeInside: Bool?
    }
    struct Certificate: Decodable {
        var id: String
        var subject: String
        var daysLeft: Int
        var fitsKey: Bool?
    }
    var modules: [Module]
}
