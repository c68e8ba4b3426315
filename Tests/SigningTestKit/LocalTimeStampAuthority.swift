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
        var promises = 0
        var promisesMost = 0
        var isAway = false
        var shares: [String: Int] = [:]
    }

    private let promisesMax: Int

    public init(
        _ identity: TestPKI.Identity, promisesMax: Int = 256,
        clock: @escaping @Sendable () -> Date = { Date(timeIntervalSince1970: 1_790_000_000) }
    ) {
        self.promisesMax = promisesMax
        self.identity = identity
        self.clock = clock
    }

    /// Tokens given out.
    public var stamped: Int { state.withLock { $0.stamped } }

    /// Promises that were neither used nor given back.
    public var promises: Int { state.withLock { $0.promises } }
    /// The most there were at once.
    public var promisesMost: Int { state.withLock { $0.promisesMost } }
    /// Members by stream, as last told.
    public var shares: [String: Int] { state.withLock { $0.shares } }

    /// The next requests fail, and are made again.
    public func fail(times: Int) { state.withLock { $0.failures += times } }

    /// While away it promises nothing, and what was promised waits.
    public func set(isAway: Bool) { state.withLock { $0.isAway = isAway } }

    public var obstacle: String? { state.withLock { $0.isAway ? "authority local, which is away" : nil } }

    public func reserve(_ wanted: Int) -> Int {
        state.withLock { state in
            guard !state.isAway else { return 0 }
            let granted = max(0, min(wanted, promisesMax - state.promises))
            state.promises += granted
            state.promisesMost = max(state.promisesMost, state.promises)
            return granted
        }
    }

    public func release(_ count: Int) {
        state.withLock { state in
            state.promises -= count
            precondition(state.promises >= 0, "more promises were used than given")
        }
    }

    public func share(among members: Int, in stream: String) { state.withLock { $0.shares[stream] = members } }

    public func timeStamp(_ imprint: MessageImprint, isWanted: @Sendable () async -> Bool) async throws -> Stamp {
        defer { release(1) }
        while true {
            try Task.checkCancellation()
            guard await isWanted() else { throw CancellationError() }
            let number = state.withLock { state -> Int? in
                if state.isAway { return nil }
                if state.failures > 0 {
                    state.failures -= 1
                    return nil
                }
                state.stamped += 1
                return state.stamped
            }
            guard let number else {
                await Task.yield()
                continue
            }
            do {
                let token = try TimeStampToken.check(token(imprint, serialNumber: number), imprint: imprint) { _, _, _ in nil }
                return Stamp(token: token, authority: name)
            } catch {
                preconditionFailure("the kit's own token does not pass: \(error)")
            }
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
