import LibCrypto
import OperatingSystem
import PKCS11

/// Why a step was not done: what it was about, and what a person can do. Never holds a PIN.
public struct CeremonyError: Error, Hashable, CustomStringConvertible {
    public enum Kind: Hashable, Sendable {
        /// The step would have done harm, or what it was given does not fit; nothing was changed.
        case refused
        /// It was not said clearly enough what to do; nothing was touched.
        case unusable
        /// The token, its module or a file failed.
        case worldFailed
    }

    public let kind: Kind
    /// Such as `token office`.
    public let subject: String
    public let reason: String
    /// Empty where there is nothing to add.
    public let remedy: String

    public init(_ kind: Kind, _ subject: String, _ reason: String, remedy: String) {
        self.kind = kind
        self.subject = subject
        self.reason = reason.last == "." ? String(reason.dropLast()) : reason
        self.remedy = remedy
    }

    public var description: String { "\(subject): \(reason)" + (remedy.isEmpty ? "" : "; \(remedy)") }
}

extension TokenPlace {
    /// Runs one step; what its calls throw gets this token's name and the kind that it is.
    func step<R>(_ body: () throws -> R) throws(CeremonyError) -> R {
        do {
            return try body()
        } catch let error as CeremonyError {
            throw error
        } catch let error as PKCS11Error {
            throw CeremonyError(.worldFailed, "token \(name)", "\(error)", remedy: sentence(error.remedy))
        } catch let error as SecretSourceError {
            throw CeremonyError(.unusable, "token \(name)", "its PIN cannot be read: \(error)", remedy: "")
        } catch {
            throw CeremonyError(.worldFailed, "token \(name)", "\(error)", remedy: "")
        }
    }

    func refused(_ reason: String, remedy: String) -> CeremonyError { CeremonyError(.refused, "token \(name)", reason, remedy: remedy) }
}

/// A sentence of its own as the end of another.
func sentence(_ remedy: String) -> String {
    guard let first = remedy.first else { return "" }
    let rest = remedy.dropFirst()
    return first.lowercased() + (rest.last == "." ? rest.dropLast() : rest)
}
