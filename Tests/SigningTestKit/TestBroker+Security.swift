public import Foundation
import LibCrypto
import OperatingSystem

// A broker with TLS, passwords and rights. Certificates and passwords are made when it starts.
extension TestBroker {
    /// How clients come in.
    public enum Door: String, CaseIterable, Sendable {
        /// User and password (SASL PLAIN), without TLS.
        case password
        /// User and password over TLS.
        case passwordOverTLS
        /// TLS with client certificates: the user is its common name.
        case certificate
        /// The same, but the broker's certificate has expired.
        case expiredServer
        /// The same, but the broker's certificate is another host's.
        case wrongHost
    }

    /// What a client shows at a door of certificates.
    public enum ClientCertificate: String, Sendable {
        case valid = ""
        /// Of `worker` alone.
        case expired = "-expired"
        /// Of `worker` alone, and of a root that the broker does not know.
        case stranger = "-stranger"
    }

    /// What the broker shows at its doors.
    public enum ServerCertificate: String, Sendable {
        case valid = "broker"
        case expired = "expired-broker"
        /// Of `strangersRoot`.
        case stranger = "stranger-broker"
    }

    /// Who can log in. `admin` may do everything, the others nothing until they are given the right.
    public static let users = ["admin", "worker", "otherworker", "submitter", "reader", "auditor", "nobody"]

    /// The secured broker that all tests of the process share; with names of your own for topics, groups and transactional ids, rights do
    /// not meet either. Only if `canBeStarted`.
    public static let secured = Result<TestBroker, any Error> { try TestBroker(isSecured: true) }

    /// librdkafka's properties for a user at a door of a secured broker, with `bootstrap.servers`.
    public func properties(_ door: Door, as user: String, showing certificate: ClientCertificate = .valid) throws -> [String: String] {
        let secured = try requiredSecurity()
        var properties = ["bootstrap.servers": secured.addresses[door]!]
        if door != .password { properties["ssl.ca.location"] = secured.folder + "/ca.pem" }
        switch door {
        case .password, .passwordOverTLS:
            properties["security.protocol"] = door == .password ? "sasl_plaintext" : "sasl_ssl"
            properties["sasl.mechanisms"] = "PLAIN"
            properties["sasl.username"] = user
            let password = String(decoding: try Files.read(secured.folder + "/\(user).password", atMost: 1024), as: UTF8.self)
            properties["sasl.password"] = password.trimmingCharacters(in: .whitespacesAndNewlines)
        case .certificate, .expiredServer, .wrongHost:
            let file = secured.folder + "/" + user + certificate.rawValue
            properties["security.protocol"] = "ssl"
            properties["ssl.certificate.location"] = file + ".pem"
            properties["ssl.key.location"] = file + ".key"
        }
        return properties
    }

    /// A root that did not certify the broker, for `ssl.ca.location`.
    public var strangersRoot: String { get throws { try requiredSecurity().folder + "/stranger-ca.pem" } }

    /// The certificates and passwords of this broker: `ca.pem`, `USER.pem`, `USER.key`, `USER.password`.
    public var securityFolder: String { get throws { try requiredSecurity().folder } }

    /// Gives the broker another certificate, which it shows when it is started again.
    public func show(_ certificate: ServerCertificate) throws {
        let folder = try securityFolder
        let parts = try [".key", ".pem"].map { try Files.read(folder + "/" + certificate.rawValue + $0, atMost: 1 << 16) }
        try Files.writeAtomically(Array(parts.joined()), to: folder + "/broker.keystore", mode: 0o600)
    }

    /// Gives a user another password, which is asked for when the broker is started again: `USER.password` has it.
    public func changePassword(of user: String) throws {
        let file = try securityFolder + "/\(user).password"
        let settings = (try securityFolder as NSString).deletingLastPathComponent + "/server-1.properties"
        let password = UUID().uuidString
        let lines = String(decoding: try Files.read(settings, atMost: 1 << 16), as: UTF8.self)
        let old = String(decoding: try Files.read(file, atMost: 1024), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard lines.contains(old) else { throw TestBrokerError(what: "it does not know the password of \(user)") }
        try Files.writeAtomically(Array(lines.replacing(old, with: password).utf8), to: settings, mode: 0o600)
        try Files.writeAtomically(Array(password.utf8), to: file, mode: 0o600)
    }

    /// Another certificate for the key of a user, in PEM, that ends then.
    public func certify(_ user: String, until end: Date) throws -> [UInt8] {
        let folder = try securityFolder
        func read(_ name: String) throws -> [UInt8] { try Files.read(folder + "/" + name, atMost: 1 << 16) }
        let builder = CertificateBuilder(
            subject: DistinguishedName(commonName: user), notBefore: .now - 60, notAfter: end, serialNumber: [0x5A] + Randomness.bytes(8),
            extensions: [.init("keyUsage", "critical,digitalSignature"), .init("extendedKeyUsage", "clientAuth")])
        let issuer = try Certificate.readPEM(read("ca.pem"))[0]
        return try builder.issued(to: PrivateKey.readPEM(read(user + ".key")).publicKey, by: issuer, with: PrivateKey.readPEM(read("ca.key"))).pem
    }

    /// Gives a right, and waits until the broker knows.
    ///
    /// - Parameters:
    ///   - operation: Kafka's word: `Read`, `Write`, `Describe`, `All` and so on.
    ///   - resource: `topic`, `group`, `transactional-id` or `cluster`.
    ///   - name: of the resource; with `*` at the end, of all that begin so.
    public func allow(_ user: String, _ operation: String, _ resource: String, _ name: String) throws {
        try change("allow", user, operation, resource, name)
    }

    /// Takes a right back, named as it was given, and waits until the broker knows.
    public func revoke(_ user: String, _ operation: String, _ resource: String, _ name: String) throws {
        try change("revoke", user, operation, resource, name)
    }

    private func change(_ words: String...) throws {
        _ = try requiredSecurity()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", Self.repository + "/Deploy/sandbox/kafka.py", bootstrap] + words
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw TestBrokerError(what: "could not \(words.joined(separator: " "))") }
    }

    private func requiredSecurity() throws -> Secured {
        guard let secured else { throw TestBrokerError(what: "it has no security; make it with isSecured") }
        return secured
    }

    struct Secured: Sendable {
        let folder: String
        let addresses: [Door: String]

        /// Reads what the script says: the folder, and an address for each door.
        init(line: String) throws {
            let words = line.split(separator: " ").map(String.init)
            folder = words.first ?? ""
            let pairs = words.dropFirst().compactMap { word -> (Door, String)? in
                let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
                return Door(rawValue: parts[0]).map { ($0, parts[1]) }
            }
            addresses = Dictionary(uniqueKeysWithValues: pairs)
            guard addresses.count == Door.allCases.count else { throw TestBrokerError(what: "doors are missing: \(line)") }
        }
    }

    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
}
