public import CMS
public import OperatingSystem

/// What `tanba` and `tanba-worker` are told by their one file (docs/configuration.md).
///
/// Read by `TanbaConfiguration.read`; every value was checked as far as the file alone tells. Paths are absolute: those in the
/// file count from the file's folder.
public struct TanbaConfiguration: Sendable {
    /// Where it was read.
    public internal(set) var file = ""
    public var worker = Worker()
    public var operations: Operations?
    public var kafka: Kafka?
    public var readers = Readers()
    public var tokens: [Token] = []
    public var signers: [Signer] = []
    public var authorities: [Authority] = []
    public var profiles: [Profile] = []
    public var streams: [Stream] = []
    public var limits = Limits()

    /// `worker`
    public struct Worker: Sendable {
        /// Names this worker in results and makes its transactional id; never shared by two. Default: the host's name.
        public var id = Host.name
        /// Where a worker keeps what it learned.
        public var stateDirectory: String?
    }

    /// `operations`: health and metrics over HTTP.
    public struct Operations: Sendable {
        public var address = "127.0.0.1"
        /// 0: any free one.
        public var port = 9464
        /// Where the port is written once it listens.
        public var portFile: String?
    }

    /// `kafka`
    public struct Kafka: Sendable {
        /// host:port, separated by commas.
        public var bootstrap = ""
        /// Passed to librdkafka as they are; those that the promises fix were refused.
        public var properties: [String: String] = [:]
        /// The files that some values of `properties` were read from.
        public var secretFiles: [String: String] = [:]
        /// A worker that starts again within the session gets its partitions back without a rebalance; one that leaves is missed that long.
        public var isStaticMember = false
    }

    /// One of `tokens`
    public struct Token: Sendable {
        public var name = ""
        /// Path of the PKCS#11 module.
        public var module = ""
        /// The token's label.
        public var label = ""
        public var pin = SecretSource.descriptor(0)
        /// Sessions to sign with at once at most; how many are of use is found out.
        public var sessions = 16
        /// Environment variables that the module reads.
        public var environment: [String: String] = [:]
    }

    /// One of `signers`: whose signature it is, and the keys that can make it.
    public struct Signer: Sendable {
        public var name = ""
        /// At least one.
        public var keys: [Key] = []
    }

    /// One of a signer's `keys`
    public struct Key: Sendable, Hashable {
        public enum Place: Sendable, Hashable {
            /// A name of `tokens`, and the key's CKA_ID.
            case token(String, id: [UInt8])
            /// A PKCS#12 file and where its password is.
            case pkcs12(path: String, password: SecretSource)
        }

        public var place: Place
        /// PEM file; nil: the certificate beside the key, on the token or in the file.
        public var certificate: String?
        /// PEM file with issuers to put into the signature.
        public var chain: String?
    }

    /// One of `timestamp-authorities`
    public struct Authority: Sendable {
        public var name = ""
        public var url = ""
        /// PEM file with the roots its certificate must lead to.
        public var trust = ""
        /// Dotted; nil: the authority's own choice.
        public var policy: String?
        public var connectTimeout: Duration = .seconds(5)
        public var timeout: Duration = .seconds(10)
        /// Requests at once at most; how many are of use is found out.
        public var inFlightMax = 64
        /// What the authority allows, all workers together; nil: as much as it takes.
        public var budget: Budget?
        /// The farthest its clock may be from ours.
        public var clockSkewMax: Duration = .seconds(300)
    }

    /// An authority's `budget`: requests in any stretch of time of this length.
    public struct Budget: Sendable, Hashable {
        public var requests: Int
        public var window: Duration
    }

    /// One of `profiles`
    public struct Profile: Sendable {
        public enum Level: String, Sendable, CaseIterable {
            case baselineB = "B-B"
            case baselineT = "B-T"
        }

        public var name = ""
        /// The keys that may sign, those of its signer; at least one.
        public var keys: [Key] = []
        /// How the keys sign, where that is not left to them.
        public var mechanism: MechanismChoice?
        public var digest = "sha256"
        public var level = Level.baselineB
        /// Names of `timestamp-authorities`, at level B-T: asked in this order, or in proportion to their weights where they have any.
        public var authorities: [AuthorityChoice] = []
        /// When a second authority is asked as well for a stamp that does not come; nil: never.
        public var hedgeAfter: Duration?
    }

    /// An authority of a profile.
    public struct AuthorityChoice: Sendable, Hashable {
        public var name: String
        /// Of all authorities of the profile or of none.
        public var weight: Int?
    }

    /// One of `streams`
    public struct Stream: Sendable {
        public var name = ""
        /// Names of `profiles` that may be used there.
        public var profiles: [String] = []
    }

    /// `limits`
    public struct Limits: Sendable {
        public var inFlightMax = 4096
        public var batchResultsMax = 500
        public var batchBytesMax = 1 << 20
        public var batchWaitMax: Duration = .milliseconds(200)
        public var drainMax: Duration = .seconds(60)
        /// How long a stream waits for a key before its partitions are left to other workers.
        public var giveUpAfter: Duration = .seconds(300)
        /// How long it waits for a time-stamp before that.
        public var stampDeadline: Duration = .seconds(4 * 3600)
        /// Of how many signatures by a key in a file one is checked.
        public var fileKeySampling = 100
        /// How many job records of a partition back an id is known again; beyond them it is a new job. 40 to 48 bytes each that was signed.
        public var knownJobs = 50_000
    }
}

extension TanbaConfiguration {
    /// What a module reads when it is loaded: the variables of all its tokens, since it is loaded once for all of them.
    public func environment(ofModule path: String) -> [String: String] {
        tokens.filter { $0.module == path }.reduce(into: [:]) { $0.merge($1.environment) { first, _ in first } }
    }
}

/// A configuration that cannot be used, with the place in the file.
public struct ConfigurationError: Error, CustomStringConvertible {
    public var file: String
    /// From 1; nil when the whole file is meant.
    public var line: Int?
    public var reason: String
    public var remedy: String

    public init(file: String, line: Int?, reason: String, remedy: String) {
        self.file = file
        self.line = line
        self.reason = reason
        self.remedy = remedy
    }

    public var description: String { "\(file)\(line.map { ":\($0)" } ?? ""): \(reason); \(remedy)" }
}
