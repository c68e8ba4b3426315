import LibCrypto
import OperatingSystem
import SigningPipeline

extension TokenSigner {
    /// "key 01 on token hsm"
    public var name: String { "key \(hexadecimal(key)) on token \(token.name)" }

    public var isIn: Bool { token.isHealthy }

    /// Proves the key again, with growing pauses.
    public func recover() async throws {
        var pause = Duration.milliseconds(100)
        while true {
            do throws(SignerError) {
                let proven = try await KeyProbe(token: token, key: key).prove(certificate)
                pace.withLock { $0 = proven.seconds }
                return token.trust()
            } catch {
                if error.isPermanent { throw error }
            }
            try await ContinuousClock().sleep(for: pause * Double.random(in: 0.1...1))
            pause = min(pause * 2, .seconds(10))
        }
    }
}
