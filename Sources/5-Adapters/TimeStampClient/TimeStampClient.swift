public import CertificateTrust
import DER
public import FoundationEssentials
import HTTPClient
import LibCrypto
public import Log
public import Metrics
import OperatingSystem
public import TimeStampProtocol

/// One time-stamping authority over HTTP (RFC 3161, 3.4): asks with a fresh random nonce, and believes nothing of the answer before
/// everything was checked: status, imprint, nonce, policy, time, certificate and its trust, signature.
///
/// It never asks twice: whether and when to try again is the caller's matter. Connections are kept. An authority's certificate is
/// judged once, not with every token.
///
/// Metrics: `tanba_timestamp_requests_total{authority,outcome}`, the outcome being `granted` or the fault of the error, and
/// `tanba_timestamp_seconds{authority}`, from sending a request to having its answer.
public final class TimeStampClient: TimeStampAsker {
    public struct Settings: Sendable {
        /// Its name in the configuration.
        public var name: String
        /// Absolute, `http` or `https`; may carry user and password, which are shown nowhere.
        public var url: String
        /// Dotted. Asked for, and demanded of the answer; nil leaves it to the authority.
        public var policy: String?
        /// Requests on their way at once; more wait their turn, and their time-outs begin with it.
        public var inFlightMax = 16
        public var connectTimeout: Duration = .seconds(5)
        /// For the whole exchange.
        public var timeout: Duration = .seconds(10)
        /// How far the stamped time may be from our clock, before or after.
        public var clockTolerance: Duration = .seconds(300)
        /// A token with some certificates has 2 to 8 KiB.
        public var answerBytesMax = 64 << 10

        public init(name: String, url: String, policy: String? = nil) {
            (self.name, self.url, self.policy) = (name, url, policy)
        }
    }

    public let name: String
    private let address: HTTPAddress
    private let exchange: TimeStampExchange
    private let http: HTTPClient
    private let now: @Sendable () -> Date
    private let requests: Counter
    private let seconds: HistogramSeries

    /// Sends nothing yet. Throws `settings-invalid` for a URL or policy that is none, `unreachable` when no thread can be started.
    ///
    /// - Parameters:
    ///   - trust: the anchors for this authority's certificate.
    ///   - now: the clock that stamped times are compared with and requests are dated by.
    public init(
        _ settings: Settings, trust: TrustAnchors, now: @escaping @Sendable () -> Date, metrics: Metrics, log: Log
    ) throws(TimeStampAuthorityError) {
        let name = settings.name
        var limits = HTTPClient.Settings()
        limits.connectTimeout = settings.connectTimeout
        limits.timeout = settings.timeout
        limits.answerBytesMax = settings.answerBytesMax
        limits.inFlightMax = settings.inFlightMax
        do throws(HTTPError) {
            address = try HTTPAddress(settings.url)
            http = try HTTPClient(limits)
        } catch {
            throw TimeStampAuthorityError(name, error)
        }
        let policy = settings.policy.flatMap(ObjectIdentifier.init(dotted:))
        if let dotted = settings.policy, policy == nil {
            throw TimeStampAuthorityError(
                authority: name, fault: "settings-invalid", reason: "the policy \"\(dotted)\" is no object identifier",
                remedy: "Give it as numbers with dots between, or leave it out.")
        }
        self.name = name
        self.now = now
        exchange = TimeStampExchange(policy: policy, tolerance: settings.clockTolerance / .seconds(1), trust: trust) { certificate in
            log.info(
                "timestamp-certificate-trusted", "the certificate of a time-stamping authority was validated",
                [
                    ("authority", .text(name)), ("subject", .text(certificate.subject)),
                    ("serial", .text(certificate.serialNumberHex)),
                    ("not_after", .text("\(certificate.notAfter)")),
                ])
        }
        requests = metrics.counter(
            "tanba_timestamp_requests_total", help: "Requests to time-stamping authorities, by what came of them.",
            labels: ["authority", "outcome"])
        seconds = metrics.histogram(
            "tanba_timestamp_seconds", help: "From sending a time-stamp request to having the whole answer.", labels: ["authority"],
            buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
        ).with(name)
    }

    /// Asks once. Waits for a turn among the requests in flight.
    public func timeStamp(_ imprint: MessageImprint) async throws(TimeStampAuthorityError) -> TimeStampToken { try await ask(imprint).token }

    func ask(_ imprint: MessageImprint) async throws(TimeStampAuthorityError) -> AuthorityAnswer {
        do throws(TimeStampAuthorityError) {
            let answer = try await send(imprint)
            requests.add(1, name, "granted")
            return answer
        } catch {
            requests.add(1, name, error.fault)
            throw error
        }
    }

    /// Ends what is on its way, and the connections. Whoever still waits gets `closed`.
    public func close() async { await http.close() }

    private func send(_ imprint: MessageImprint) async throws(TimeStampAuthorityError) -> AuthorityAnswer {
        let request = exchange.request(for: imprint)
        let answer: HTTPAnswer
        do throws(HTTPError) {
            answer = try await http.send(HTTPRequest(.post, address, fields: Self.fields, body: request.encoded))
        } catch {
            throw TimeStampAuthorityError(name, error)
        }
        seconds.observe(answer.elapsed / .seconds(1))
        let now = now()
        guard answer.status == 200 else {
            let retryAfter = answer.field("Retry-After").flatMap { RetryAfter.pause($0, at: now) }
            throw TimeStampAuthorityError(name, address, status: answer.status, retryAfter: retryAfter)
        }
        guard answer.mediaType == Self.replyType else { throw TimeStampAuthorityError(name, address, mediaType: answer.mediaType) }
        do throws(TimeStampFault) {
            let token = try exchange.token(from: answer.body, to: request, at: now)
            return AuthorityAnswer(token: token, skew: Self.skew(token, at: now))
        } catch {
            guard error.code == .timeOutsideWindow else { throw TimeStampAuthorityError(name, error) }
            // Only what stands up but for its time says how far the clocks are apart.
            let token = try? exchange.token(from: answer.body, to: request, at: now, accepting: .infinity)
            throw TimeStampAuthorityError(name, error, skew: token.map { Self.skew($0, at: now) })
        }
    }

    private static func skew(_ token: TimeStampToken, at now: Date) -> Duration {
        .milliseconds(Int64(max(-1e14, min(1e14, token.time.timeIntervalSince(now) * 1000))))
    }

    private static let replyType = "application/timestamp-reply"
    private static let fields = [(name: "Content-Type", value: "application/timestamp-query"), (name: "Accept", value: replyType)]
}
