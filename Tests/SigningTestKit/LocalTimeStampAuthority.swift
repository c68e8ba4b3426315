import CMS
import DER
public import FoundationEssentials
import LibCrypto
import OperatingSystem
public import SigningPipeline
public import TimeStampProtocol

/// An authority in memory: the fake of the `TimeStampAuthority` port. Its tokens are real and pass every check; failures are scripted.
public final class LocalTimeStampAuthority: TimeStampAuthority {
    public let name = "local"
    private let identity: TestPKI.Identity
    private let clock: @Sendable () -> Date
    private let state = Locked(State())

    private struct State {
        var stamped = 0
        var failures = 0
    }

    public init(_ identity: TestPKI.Identity, clock: @escaping @Sendable () -> Date = { Date(timeIntervalSince1970: 1_790_000_000) }) {
        self.identity = identity
        self.clock = clock
    }

    /// Tokens given out.
    public var stamped: Int { state.withLock { $0.stamped } }

    /// The next requests fail.
    public func fail(times: Int) { state.withLock { $0.failures += times } }

    public func timeStamp(_ imprint: MessageImprint) async throws(TimeStampAuthorityError) -> TimeStampToken {
        let number = state.withLock { state -> Int? in
            if state.failures > 0 {
                state.failures -= 1
                return nil
            }
            state.stamped += 1
            return state.stamped
        }
        guard let number else { throw TimeStampAuthorityError(authority: name, fault: "unreachable", reason: "scripted", remedy: "none") }
        do {
            return try TimeStampToken.check(token(imprint, serialNumber: number), imprint: imprint) { _, _, _ in nil }
        } catch {
            preconditionFailure("the kit's own token does not pass: \(error)")
        }
    }

    /// A TimeStampToken (RFC 3161, 2.4.2), DER.
    public func token(_ imprint: MessageImprint, serialNumber: Int) throws -> [UInt8] {
        let info = DERWriter.encode { writer in
            writer.sequence { writer in
                writer.integer(1)
                writer.objectIdentifier(ObjectIdentifier(1, 2, 3, 4, 1))
                writer.sequence { writer in
                    writer.element(imprint.algorithm.identifier)
                    writer.octetString(imprint.digest)
                }
                writer.integer(serialNumber)
                writer.primitive(.generalizedTime, Self.generalizedTime(clock()))
            }
        }
        let attributes = [
            Self.attribute(ObjectIdentifier(1, 2, 840, 113549, 1, 9, 3)) { $0.objectIdentifier(Self.tstInfo) },
            Self.attribute(ObjectIdentifier(1, 2, 840, 113549, 1, 9, 4)) { $0.octetString(DigestFunction.sha256.digest(info)) },
            Self.attribute(ObjectIdentifier(1, 2, 840, 113549, 1, 9, 16, 2, 47)) { writer in
                writer.sequence { $0.sequence { $0.sequence { $0.octetString(self.identity.certificate.sha256) } } }
            },
        ]
        let signature = try identity.key.signECDSA(digest: DigestFunction.sha256.digest(DERWriter.encode { $0.setOf(attributes) }))
        return DERWriter.encode { writer in
            writer.sequence { writer in
                writer.objectIdentifier(ObjectIdentifier(1, 2, 840, 113549, 1, 7, 2))
                writer.constructed(.context(0)) { $0.sequence { self.signedData(info, attributes, signature, &$0) } }
            }
        }
    }

    private static let tstInfo = ObjectIdentifier(1, 2, 840, 113549, 1, 9, 16, 1, 4)

    private func signedData(_ info: [UInt8], _ attributes: [[UInt8]], _ signature: [UInt8], _ writer: inout DERWriter) {
        writer.integer(3)
        writer.setOf([DigestAlgorithm.sha256.identifier])
        writer.sequence { writer in
            writer.objectIdentifier(Self.tstInfo)
            writer.constructed(.context(0)) { $0.octetString(info) }
        }
        writer.setOf([identity.certificate.der], tag: .context(0))
        let signer = DERWriter.encode { writer in
            writer.sequence { writer in
                writer.integer(1)
                writer.sequence { writer in
                    writer.element(self.identity.certificate.issuerDER)
                    writer.element(self.identity.certificate.serialNumberDER)
                }
                writer.element(DigestAlgorithm.sha256.identifier)
                writer.setOf(attributes, tag: .context(0))
                writer.element(SignatureAlgorithm.ecdsa(.sha256).identifier)
                writer.octetString(signature)
            }
        }
        writer.setOf([signer])
    }

    private static func attribute(_ type: ObjectIdentifier, _ value: (inout DERWriter) -> Void) -> [UInt8] {
        DERWriter.encode { writer in
            writer.sequence { writer in
                writer.objectIdentifier(type)
                writer.setOf([DERWriter.encode(value)])
            }
        }
    }

    /// `YYYYMMDDhhmmssZ`
    private static func generalizedTime(_ date: Date) -> [UInt8] {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(secondsFromGMT: 0)!
        let parts = calendar.dateComponents([.year, .month, .day, .hour, .minute, .second], from: date)
        func digits(_ number: Int?, _ count: Int) -> String {
            let text = String(number!)
            return String(repeating: "0", count: count - text.count) + text
        }
        let text = digits(parts.year, 4) + [parts.month, parts.day, parts.hour, parts.minute, parts.second].map { digits($0, 2) }.joined() + "Z"
        return Array(text.utf8)
    }
}
