import Foundation
import OperatingSystem
import SigningModel
import SigningTestKit
import Testing

/// Tanba's programs with the fault shim in front of their token, told by its file of rules and asked by its file of counts, as
/// docs/fault-shim.md tells users to do.
@Suite struct FaultyTokenTests {
    /// The shim, compiled once.
    private static let shim = Result {
        let lab = try ProgramLab.shared.get()
        let library = lab.sandbox + "/faultshim.so"
        let compiler = Process()
        compiler.executableURL = URL(fileURLWithPath: "/bin/bash")
        compiler.arguments = [
            "-c",
            "cc -shared -fPIC -O1 -Wall -o \"$1\" \"$2\"/Tests/FaultShim/[a-z]*.c $(pkg-config --cflags p11-kit-1) -ldl -lpthread", "cc", library,
            lab.repository,
        ]
        try compiler.run()
        compiler.waitUntilExit()
        guard compiler.terminationStatus == 0 else { throw ProgramError("the fault shim does not compile") }
        return library
    }

    /// A configuration whose module is the shim, and what the shim needs in its environment.
    private static func behindShim(_ text: String, _ shim: String) -> String {
        text.replacing(/module: "[^"]+"/, with: "module: \"\(shim)\"")
    }

    private static func environment(_ stand: ProgramStand) throws -> [String: String] {
        let module = String(try #require(stand.lab.configuration.firstMatch(of: /module: "([^"]+)"/)).1)
        return ["TANBA_SHIM_MODULE": module, "TANBA_SHIM_RULES": stand("rules"), "TANBA_SHIM_COUNTS": stand("counts")]
    }

    /// How often the function was called, as the shim wrote it down.
    private static func count(_ function: String, _ stand: ProgramStand) throws -> Int {
        let lines = String(decoding: try stand.read("counts"), as: UTF8.self).split(separator: "\n").map { $0.split(separator: "\t") }
        return lines.filter { $0.count == 3 && $0[1] == function }.reduce(0) { $0 + (Int($1[2]) ?? 0) }
    }

    @Test func aWrongPINReachesTheModuleOnce() async throws {
        let shim = try Self.shim.get()
        let stand = try ProgramStand { Self.behindShim($0, shim).replacing(/pin: "[^"]+"/, with: "pin: env:WRONG_PIN") }
        try stand.writeDocuments(3)
        let ended = try await stand.sign(environment: Self.environment(stand).merging(["WRONG_PIN": "000000"]) { $1 })
        #expect(ended.status == 3, "\(ended)")
        #expect(ended.errors.contains("CKR_PIN_INCORRECT"), "\(ended)")
        #expect(try Self.count("C_Login", stand) == 1)
        #expect(try Self.count("C_Sign", stand) == 0)
        #expect(try stand.signatures() == [])
    }

    @Test func aTokenWithOneTryLeftIsNotTried() async throws {
        let shim = try Self.shim.get()
        let stand = try ProgramStand { Self.behindShim($0, shim) }
        try stand.write("flags * 0x20000\n", to: "rules")
        try stand.writeDocuments(3)
        let ended = try await stand.sign(environment: Self.environment(stand))
        #expect(ended.status == 3, "\(ended)")
        #expect(try Self.count("C_Login", stand) == 0)
        #expect(try Self.count("C_GetTokenInfo", stand) > 0)
    }

    /// The token is pulled out while documents are signed, and put back: the program waits, and all are signed.
    @Test func aTokenPulledOutAndPutBackSignsAllDocuments() async throws {
        let shim = try Self.shim.get()
        let stand = try ProgramStand { Self.behindShim($0, shim) }
        try stand.writeDocuments(60)
        // Six seconds of work, so that the token goes in the middle of it on a busy machine too
        try stand.write("knee * 100 1\n", to: "rules")
        let program = try stand.start(
            "tanba", ["sign", "documents", "--profile", "p256-b", "--out", "out", "--json"], environment: Self.environment(stand))
        try await program.wait(for: "signatures") { (try? Self.count("C_Sign", stand)) ?? 0 > 10 }
        try "removed * CKR_DEVICE_REMOVED\n".write(toFile: stand("rules"), atomically: true, encoding: .utf8)
        try await Task.sleep(for: .milliseconds(500))
        #expect(program.isRunning)
        try FileManager.default.removeItem(atPath: stand("rules"))
        let ended = try await program.ended()
        #expect(ended.status == 0, "\(ended)")
        #expect(try SignSummary(ended) == SignSummary(signed: 60))
        #expect(try Self.count("C_Login", stand) == 2, "once at the start, and once when it was back")
        for (index, path) in try stand.signatures().enumerated() where index % 20 == 0 {
            try await stand.verify("documents/" + path.dropLast(4), signature: "out/" + path)
        }
    }
}
