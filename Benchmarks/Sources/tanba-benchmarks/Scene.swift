import CMS
import Foundation
import LibCrypto
import Log
import Metrics
import OperatingSystem
import TokenSigner

/// What Benchmarks/run has prepared: keys on two SoftHSM tokens ("one", "two": by the number of sessions), certificates, a folder to work in.
struct Scene {
    let folder: String
    let module: String
    /// The module behind the fault shim; the tokens of `slowLabels` are for it alone.
    let shim: String
    /// The program demo-tsa.
    let demoTSA: String
    let pin: String
    private let registry = TokenRegistry(log: .silent, metrics: Metrics())

    init() throws {
        let environment = ProcessInfo.processInfo.environment
        guard let folder = environment["TANBA_BENCHMARK_FOLDER"], let module = environment["TANBA_BENCHMARK_MODULE"],
            let shim = environment["TANBA_BENCHMARK_SHIM"], let demoTSA = environment["TANBA_BENCHMARK_TSA"],
            let pin = environment["TANBA_BENCHMARK_PIN"]
        else { throw Usage(description: "start this with Benchmarks/run") }
        self.folder = folder
        self.module = module
        self.shim = shim
        self.demoTSA = demoTSA
        self.pin = pin
    }

    func certificate(_ name: String) throws -> Certificate {
        try Certificate.readPEM(Array(Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name).pem"))))[0]
    }

    func signer(_ key: Key, sessions: Int, checks: TokenSigner.Checks) async throws -> TokenSigner {
        let label = Self.label(sessions)
        let token = registry.token(
            TokenSettings(name: label, module: module, label: label, pin: Secret(Array(pin.utf8)), sessions: sessions, fixedWidth: sessions))
        return try await TokenSigner.start(token, key: [key.id], certificate: certificate(key.name), chain: [certificate("ca")], checks: checks)
    }

    /// The P-256 key of a token behind the shim, as a worker has it.
    func slowSigner(_ label: String) async throws -> TokenSigner {
        let token = registry.token(
            TokenSettings(name: label, module: shim, label: label, pin: Secret(Array(pin.utf8)), sessions: 16))
        return try await TokenSigner.start(token, key: [Key.p256.id], certificate: certificate(Key.p256.name))
    }

    /// Keeps the signer busy until its width is found.
    func settle(_ signer: TokenSigner, _ key: Key, seconds: Double) async throws { _ = try await sign(for: seconds, with: signer, key) }

    static let slowLabels = ["slow-1", "slow-2", "slow-3", "slow-4"]

    static func label(_ sessions: Int) -> String { sessions == 1 ? "one" : "two" }
}

/// The keys on each token.
enum Key {
    case rsa2048, p256

    var name: String { self == .rsa2048 ? "rsa2048" : "p256" }
    var id: UInt8 { self == .rsa2048 ? 1 : 2 }
    var algorithm: SignatureAlgorithm { self == .rsa2048 ? .rsaPKCS1(.sha256) : .ecdsa(.sha256) }
}
