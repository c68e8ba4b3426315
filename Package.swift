// swift-tools-version: 6.2
import PackageDescription

// The house, ground floor first, one line a target: a target uses only targets of lines above its own. Each floor is a
// folder of Sources. TidyTests reads this file and the sources, and fails when an import is not declared here or points upwards.
// There is no outside package: what Tanba stands on are Debian's C libraries, each behind one target of the platform.
let package = Package(
    name: "tanba",
    products: [
        .executable(name: "tanba", targets: ["tanba"]),
        .executable(name: "tanba-worker", targets: ["tanba-worker"]),
        .executable(name: "tanba-auditor", targets: ["tanba-auditor"]),
        // For Fuzz/ and Benchmarks/; no public API
        .library(name: "TanbaFormats", targets: ["DER", "JSON", "CMS", "TimeStampProtocol", "CAdES", "SigningModel", "LibCrypto"]),
        .library(name: "TanbaInternals", targets: ["LibCrypto", "PKCS11", "DER", "JSON", "CMS", "TimeStampProtocol", "CAdES", "SignatureTemplate", "SigningModel", "SigningPipeline", "DocumentHashing", "TokenSigner", "TimeStampClient", "CertificateTrust", "EmbeddedJobLog", "Kafka", "KafkaJobLog", "OperatingSystem", "Log", "Metrics"]),
    ],
    traits: [.trait(name: "Failpoints", description: "Named points at which a test stops the process; never in a release")],
    targets: [
        // 0-Libraries: module maps over the system's headers; shims for what Swift cannot import (variadics) and for headers that SwiftPM does not find
        .systemModule("COpenSSL", pkgConfig: "libcrypto", apt: "libssl-dev"),
        .systemModule("CRdKafka", pkgConfig: "rdkafka", apt: "librdkafka-dev"),
        .systemModule("CPKCS11", pkgConfig: "p11-kit-1", apt: "libp11-kit-dev"),
        .systemModule("CSQLite", pkgConfig: "sqlite3", apt: "libsqlite3-dev"),
        .systemModule("CMicroHTTPD", pkgConfig: "libmicrohttpd", apt: "libmicrohttpd-dev"),
        .systemModule("CYAML", pkgConfig: "libfyaml", apt: "libfyaml-dev"),
        .systemModule("CPopt", pkgConfig: "popt", apt: "libpopt-dev"),
        .shim("CCurl", links: "curl"),
        .shim("CPCSC", links: "pcsclite"),
        .shim("CLinux"),
        // 1-Platform: knows nothing of signing. The wrappers, which alone import C modules, and three instruments
        .wrapper("OperatingSystem", over: "CLinux"),
        .instrument("Log", uses: "OperatingSystem"),
        .instrument("Metrics", uses: "OperatingSystem"),
        .instrument("Failpoints", uses: "OperatingSystem"),
        .wrapper("LibCrypto", over: "COpenSSL", "OperatingSystem"),
        .wrapper("PKCS11", over: "CPKCS11", "OperatingSystem"),
        .wrapper("PCSC", over: "CPCSC", "OperatingSystem"),
        .wrapper("Kafka", over: "CRdKafka", "OperatingSystem"),
        .wrapper("SQLite", over: "CSQLite"),
        .wrapper("HTTPClient", over: "CCurl", "OperatingSystem"),
        .wrapper("HTTPServer", over: "CMicroHTTPD", "OperatingSystem"),
        .wrapper("YAML", over: "CYAML"),
        .wrapper("CommandLineOptions", over: "CPopt"),
        // 2-Formats: values, DER and JSON; no I/O, no clock, no randomness
        .format("DER", lifetimes: true),
        .format("JSON"),
        .format("CMS", uses: "DER", "LibCrypto"),
        .format("TimeStampProtocol", uses: "DER", "CMS", "LibCrypto"),
        .format("CAdES", uses: "DER", "CMS", "TimeStampProtocol", "LibCrypto"),
        .format("SignatureTemplate", uses: "DER", "CMS", "CAdES", "LibCrypto"),
        .format("CertificationRequest", uses: "DER", "JSON", "CMS", "LibCrypto"),
        // 3-Domain: what a job and a result are; whom to trust, as of when
        .domain("SigningModel", uses: "JSON", "DER", "CMS", "LibCrypto"),
        .domain("CertificateTrust", uses: "DER", "LibCrypto"),
        // 4-Flow: the pipeline and, apart from it, the auditor; they never meet
        .flow("SigningPipeline", uses: "SigningModel", "CertificateTrust", "SignatureTemplate", "CAdES", "CMS", "TimeStampProtocol", "LibCrypto", "OperatingSystem", "Failpoints", "Log", "Metrics"),
        .flow("Auditor", uses: "OperatingSystem", "JSON", "SigningModel", "CertificateTrust", "CAdES", "CMS", "TimeStampProtocol", "DER", "LibCrypto", "Log"),
        // 5-Adapters: one outside system each
        .adapter("Configuration", uses: "SigningModel", "CMS", "LibCrypto", "OperatingSystem", "YAML"),
        .adapter("DocumentHashing", uses: "SigningModel", "LibCrypto", "OperatingSystem"),
        .adapter("TokenSigner", uses: "SigningPipeline", "DER", "JSON", "CMS", "PKCS11", "LibCrypto", "OperatingSystem", "Log", "Metrics"),
        .adapter("TokenCeremony", uses: "TokenSigner", "SigningPipeline", "CertificationRequest", "CMS", "PKCS11", "LibCrypto", "OperatingSystem", "Log", "Metrics"),
        .adapter("FileKeySigner", uses: "SigningPipeline", "CMS", "LibCrypto", "OperatingSystem", "Log", "Metrics"),
        .adapter("TimeStampClient", uses: "SigningPipeline", "CertificateTrust", "TimeStampProtocol", "DER", "CMS", "JSON", "LibCrypto", "HTTPClient", "OperatingSystem", "Log", "Metrics"),
        .adapter("SigningSetup", uses: "Configuration", "TokenSigner", "FileKeySigner", "TimeStampClient", "SigningPipeline", "CertificateTrust", "CMS", "LibCrypto", "OperatingSystem", "Log", "Metrics"),
        .adapter("KafkaJobLog", uses: "SigningPipeline", "SigningModel", "Kafka", "OperatingSystem", "Failpoints", "Log", "Metrics"),
        .adapter("EmbeddedJobLog", uses: "SigningPipeline", "SigningModel", "SQLite", "OperatingSystem", "Failpoints", "Log", "Metrics"),
        .adapter("OperationsAPI", uses: "JSON", "HTTPServer", "Metrics"),
        .adapter("KafkaResultStream", uses: "Auditor", "SigningModel", "Kafka", "OperatingSystem", "Log"),
        .adapter("EmbeddedResultStream", uses: "Auditor", "SigningModel", "SQLite", "OperatingSystem"),
        .adapter("ResultExport", uses: "Auditor", "SigningModel", "OperatingSystem"),
        // 6-Programs: options, configuration and wiring only
        .program("tanba", uses: "CommandLineOptions", "Configuration", "SigningSetup", "PCSC", "PKCS11", "CertificationRequest", "TokenCeremony", "JSON", "CMS", "LibCrypto", "Failpoints", "OperatingSystem", "Log", "Metrics", "SigningModel", "CertificateTrust", "SigningPipeline", "EmbeddedJobLog", "KafkaJobLog", "TokenSigner", "TimeStampClient", "TimeStampProtocol", "DER", "HTTPClient", "DocumentHashing", "Auditor", "KafkaResultStream", "EmbeddedResultStream", "ResultExport"),
        .program("tanba-worker", uses: "CommandLineOptions", "Configuration", "SigningSetup", "LibCrypto", "OperatingSystem", "Log", "Metrics", "SigningModel", "CertificateTrust", "SigningPipeline", "KafkaJobLog", "TokenSigner", "TimeStampClient", "OperationsAPI", "PCSC"),
        .program("tanba-auditor", uses: "CommandLineOptions", "OperatingSystem", "JSON", "CMS", "LibCrypto", "Log", "SigningModel", "CertificateTrust", "Auditor", "KafkaResultStream", "EmbeddedResultStream", "ResultExport"),
        // Tests: the kit (one fake a port), then one line a subject
        .testKit("SigningTestKit", uses: "SigningPipeline", "SigningModel", "DER", "CAdES", "CMS", "TimeStampProtocol", "CertificateTrust", "LibCrypto", "OperatingSystem"),
        .tests("PlatformTests", uses: "Log", "Metrics", "Failpoints", "OperatingSystem", "SQLite", "YAML", "CommandLineOptions"),
        .tests("LibCryptoTests", uses: "LibCrypto", "CertificateTrust", "OperatingSystem"),
        .tests("FormatTests", uses: "DER", "CMS", "CAdES", "TimeStampProtocol", "SignatureTemplate", "LibCrypto", "OperatingSystem"),
        .tests("SigningModelTests", uses: "JSON", "SigningModel", "CMS", "LibCrypto"),
        .tests("TokenTests", uses: "PKCS11", "TokenSigner", "SigningTestKit", "SigningPipeline", "SigningModel", "CAdES", "CMS", "LibCrypto", "OperatingSystem", "Log", "Metrics"),
        .tests("CardTests", uses: "PCSC", "SigningTestKit", "OperatingSystem"),
        .tests("FileKeyTests", uses: "FileKeySigner", "SigningPipeline", "CMS", "LibCrypto", "OperatingSystem", "Log", "Metrics"),
        .tests("TimeStampClientTests", uses: "HTTPClient", "HTTPServer", "OperationsAPI", "TimeStampClient", "SigningTestKit", "TimeStampProtocol", "CertificateTrust", "SigningModel", "CAdES", "SigningPipeline", "CMS", "DER", "LibCrypto", "OperatingSystem", "Log", "Metrics"),
        .tests("KafkaTests", uses: "CRdKafka", "Kafka", "KafkaJobLog", "KafkaResultStream", "ResultExport", "SigningTestKit", "SigningPipeline", "SigningModel", "Auditor", "CertificateTrust", "CMS", "LibCrypto", "OperatingSystem", "Log", "Metrics"),
        .tests("SigningPipelineTests", uses: "SigningPipeline", "SigningTestKit", "SigningModel", "CAdES", "CMS", "TimeStampProtocol", "CertificateTrust", "LibCrypto", "OperatingSystem", "Log", "Metrics"),
        .tests("JobLogContractTests", uses: "CMS", "SigningPipeline", "EmbeddedJobLog", "KafkaJobLog", "EmbeddedResultStream", "KafkaResultStream", "Kafka", "SigningTestKit", "SigningModel", "Auditor", "LibCrypto", "OperatingSystem", "Log", "Metrics"),
        .tests("AuditorTests", uses: "Metrics", "Auditor", "EmbeddedResultStream", "SigningTestKit", "SigningPipeline", "SigningModel", "CertificateTrust", "CAdES", "CMS", "TimeStampProtocol", "DER", "SQLite", "LibCrypto", "OperatingSystem", "Log"),
        .tests("ConfigurationTests", uses: "Configuration", "DocumentHashing", "SigningModel", "CMS", "LibCrypto", "OperatingSystem"),
        .tests("ProgramTests", uses: "Failpoints", "OperatingSystem", "SQLite", "SigningModel", "SigningTestKit"),
        .tests("CeremonyTests", uses: "CertificationRequest", "DER", "LibCrypto", "OperatingSystem"),
        .tests("TidyTests"),
    ]
)

extension Target {
    static func systemModule(_ name: String, pkgConfig: String, apt package: String) -> Target {
        .systemLibrary(name: name, path: "Sources/0-Libraries/\(name)", pkgConfig: pkgConfig, providers: [.apt([package])])
    }
    static func shim(_ name: String, links libraries: String...) -> Target {
        .target(name: name, path: "Sources/0-Libraries/\(name)", linkerSettings: libraries.map { .linkedLibrary($0) })
    }
    static func instrument(_ name: String, uses: String...) -> Target { swift(name, uses, "Sources/1-Platform") }
    static func wrapper(_ name: String, over: String...) -> Target { swift(name, over, "Sources/1-Platform", touchesC: true) }
    /// - Parameter lifetimes: allows a type of its own over `Span`; who uses that type needs nothing.
    static func format(_ name: String, uses: String..., lifetimes: Bool = false) -> Target {
        let target = swift(name, uses, "Sources/2-Formats")
        if lifetimes { target.swiftSettings?.append(.enableExperimentalFeature("Lifetimes")) }
        return target
    }
    static func domain(_ name: String, uses: String...) -> Target { swift(name, uses, "Sources/3-Domain") }
    static func flow(_ name: String, uses: String...) -> Target { swift(name, uses, "Sources/4-Flow") }
    static func adapter(_ name: String, uses: String...) -> Target { swift(name, uses, "Sources/5-Adapters") }
    static func testKit(_ name: String, uses: String...) -> Target { swift(name, uses, "Tests") }
    static func program(_ name: String, uses: String...) -> Target {
        .executableTarget(name: name, dependencies: uses.map { .byName(name: $0) }, path: "Sources/6-Programs/\(name)", swiftSettings: settings(touchesC: false))
    }
    static func tests(_ name: String, uses: String...) -> Target {
        .testTarget(name: name, dependencies: uses.map { .byName(name: $0) }, path: "Tests/\(name)", swiftSettings: settings(touchesC: true))
    }

    private static func swift(_ name: String, _ uses: [String], _ floor: String, touchesC: Bool = false) -> Target {
        .target(name: name, dependencies: uses.map { .byName(name: $0) }, path: "\(floor)/\(name)", swiftSettings: settings(touchesC: touchesC))
    }

    /// Warnings are errors everywhere; what touches C pointers is free of strict memory safety, everything else has it and no `unsafe`.
    private static func settings(touchesC: Bool) -> [SwiftSetting] {
        [
            .treatAllWarnings(as: .error),
            .enableUpcomingFeature("InternalImportsByDefault"),
            .enableUpcomingFeature("MemberImportVisibility"),
            .enableUpcomingFeature("ExistentialAny"),
        ] + (touchesC ? [.treatWarning("DeprecatedDeclaration", as: .warning)] : [.strictMemorySafety()])  // OpenSSL's ENGINE, which GOST needs
    }
}
