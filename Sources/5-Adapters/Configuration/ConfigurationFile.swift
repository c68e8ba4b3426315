import CMS
import OperatingSystem
import YAML

extension TanbaConfiguration {
    /// Where the file is looked for when no option names it: `$TANBA_CONFIG`, else this.
    public static let defaultPath = "/etc/tanba/tanba.yaml"

    /// Reads and checks a file.
    ///
    /// - Parameters:
    ///   - path: of a YAML file of at most 1 MiB.
    ///   - refusedKafkaProperty: why a librdkafka property may not be set; nil when it may.
    /// - Throws: `ConfigurationError` with the line of the first fault.
    public static func read(_ path: String, refusedKafkaProperty: (String) -> String?) throws(ConfigurationError) -> TanbaConfiguration {
        let bytes: [UInt8]
        do {
            bytes = try Files.read(path, atMost: 1 << 20)
        } catch {
            throw ConfigurationError(
                file: path, line: nil, reason: "cannot be read: \(error)", remedy: "name the configuration with --config FILE or $TANBA_CONFIG")
        }
        return try parse(String(decoding: bytes, as: UTF8.self), file: path, refusedKafkaProperty: refusedKafkaProperty)
    }

    /// The same for a text.
    static func parse(_ text: String, file: String, refusedKafkaProperty: (String) -> String?) throws(ConfigurationError) -> TanbaConfiguration {
        let root: YAMLNode
        do {
            root = try YAML.parse(text, file: file)
        } catch {
            throw ConfigurationError(file: file, line: error.mark.line, reason: error.reason, remedy: error.remedy)
        }
        var reader = try MappingReader(root, file: file, path: "")
        var configuration = TanbaConfiguration()
        configuration.file = file
        if var worker = try reader.nested("worker") { configuration.worker = try Worker(&worker) }
        if var operations = try reader.nested("operations") { configuration.operations = try Operations(&operations) }
        if var kafka = try reader.nested("kafka") { configuration.kafka = try Kafka(&kafka, refusedKafkaProperty) }
        if var readers = try reader.nested("readers") { configuration.readers = try Readers(&readers) }
        for var item in try reader.list("tokens") {
            let token = try Token(&item)
            let known = configuration.environment(ofModule: token.module)
            if let (name, _) = token.environment.first(where: { known[$0.key] != nil && known[$0.key] != $0.value }) {
                throw item.error(
                    "token \(token.name) gives its module another \(name) than a token before it",
                    "a module is loaded once: give all its tokens the same environment, or copy the module's file")
            }
            try add(token, to: &configuration.tokens, \.name, item)
        }
        for var item in try reader.list("signers") { try add(Signer(&item, in: configuration), to: &configuration.signers, \.name, item) }
        for var item in try reader.list("timestamp-authorities") { try add(Authority(&item), to: &configuration.authorities, \.name, item) }
        for var item in try reader.list("profiles") { try add(Profile(&item, in: configuration), to: &configuration.profiles, \.name, item) }
        for var item in try reader.list("streams") { try add(Stream(&item, in: configuration), to: &configuration.streams, \.name, item) }
        if var limits = try reader.nested("limits") { configuration.limits = try Limits(&limits) }
        try reader.finish()
        return configuration
    }

    private static func add<T>(_ item: T, to list: inout [T], _ name: (T) -> String, _ reader: MappingReader) throws(ConfigurationError) {
        guard !list.contains(where: { name($0) == name(item) }) else {
            throw reader.error("\(reader.path) has the name \(name(item)), which another has too", "give each its own name")
        }
        list.append(item)
    }
}

extension TanbaConfiguration.Worker {
    fileprivate init(_ reader: inout MappingReader) throws(ConfigurationError) {
        if let id = try reader.text("id") {
            guard id.wholeMatch(of: /[A-Za-z0-9._-]{1,100}/) != nil else {
                throw reader.error("worker.id is \(id)", "use at most 100 letters, digits, dots, dashes and underscores")
            }
            self.id = id
        }
        stateDirectory = try reader.path("state-directory")
        try reader.finish()
    }
}

extension TanbaConfiguration.Operations {
    fileprivate init(_ reader: inout MappingReader) throws(ConfigurationError) {
        address = try reader.text("address") ?? address
        port = try reader.integer("port", in: 0...65535) ?? port
        portFile = try reader.path("port-file")
        try reader.finish()
    }
}

extension TanbaConfiguration.Kafka {
    fileprivate init(_ reader: inout MappingReader, _ refused: (String) -> String?) throws(ConfigurationError) {
        bootstrap = try reader.required("bootstrap")
        isStaticMember = try reader.boolean("static-membership") ?? isStaticMember
        for (name, value, line) in try reader.texts("properties") {
            if let reason = refused(name) {
                throw ConfigurationError(file: reader.file, line: line, reason: "kafka.properties.\(name): \(reason)", remedy: "remove this line")
            }
            properties[name] = value
            if Self.secrets.contains(name) { try reveal(name, value, reader.file, line) }
        }
        try reader.finish()
    }

    /// librdkafka's properties that are secrets: the file says where they are, not what they are.
    private static let secrets: Set<String> = [
        "sasl.password", "ssl.key.password", "ssl.keystore.password", "ssl.key.pem", "sasl.oauthbearer.client.secret",
    ]

    /// Fetched here, once: a descriptor can be read only once. librdkafka keeps its own copy for as long as it runs.
    private mutating func reveal(_ name: String, _ value: String, _ file: String, _ line: Int) throws(ConfigurationError) {
        guard let source = SecretSource(value) else {
            // The value is not shown: it may be the secret itself.
            throw ConfigurationError(
                file: file, line: line, reason: "kafka.properties.\(name) must say where the secret is, not what it is",
                remedy: "write file:/path, fd:NUMBER or env:NAME")
        }
        do {
            properties[name] = try source.read().withBytes { bytes in String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self) }
            if case .file(let path) = source { secretFiles[name] = path }
        } catch {
            throw ConfigurationError(
                file: file, line: line, reason: "kafka.properties.\(name): \(error)", remedy: "make it readable for this user alone")
        }
    }
}

extension TanbaConfiguration.Token {
    fileprivate init(_ reader: inout MappingReader) throws(ConfigurationError) {
        name = try reader.required("name")
        module = try reader.requiredPath("module")
        label = try reader.required("label")
        let source = try reader.required("pin")
        guard let pin = SecretSource(source) else {
            // The text is not shown: it may be the PIN itself.
            throw reader.error("tokens.pin of \(name) must say where the PIN is, not what it is", "write file:/path, fd:NUMBER or env:NAME")
        }
        self.pin = pin
        sessions = try reader.integer("sessions", in: 1...1024) ?? sessions
        for (name, value, _) in try reader.texts("environment") { environment[name] = value }
        try reader.finish()
    }
}

extension TanbaConfiguration.Authority {
    fileprivate init(_ reader: inout MappingReader) throws(ConfigurationError) {
        name = try reader.required("name")
        url = try reader.required("url")
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw reader.error("timestamp authority \(name) has the address \(url)", "use an http:// or https:// address")
        }
        trust = try reader.requiredPath("trust")
        if let policy = try reader.text("policy") {
            guard policy.wholeMatch(of: /[0-2](\.(0|[1-9][0-9]*))+/) != nil else {
                throw reader.error("timestamp authority \(name) has the policy \(policy)", "write a dotted object identifier")
            }
            self.policy = policy
        }
        connectTimeout = try reader.duration("connect-timeout") ?? connectTimeout
        timeout = try reader.duration("timeout") ?? timeout
        inFlightMax = try reader.integer("in-flight", in: 1...1024) ?? inFlightMax
        clockSkewMax = try reader.duration("clock-skew") ?? clockSkewMax
        if let text = try reader.text("budget") {
            guard let match = text.wholeMatch(of: /([0-9]{1,9}) in ([0-9]{1,9})(s|m|h)/), let requests = Int(match.1), let length = Int(match.2),
                requests > 0, length > 0
            else { throw reader.error("timestamp authority \(name) has the budget \(text)", "write it as `20 in 20m`") }
            budget = TanbaConfiguration.Budget(requests: requests, window: .seconds(length * (match.3 == "s" ? 1 : match.3 == "m" ? 60 : 3600)))
        }
        try reader.finish()
    }
}

extension TanbaConfiguration.Profile {
    fileprivate init(_ reader: inout MappingReader, in configuration: TanbaConfiguration) throws(ConfigurationError) {
        name = try reader.required("name")
        keys = try Self.keys(&reader, in: configuration, of: name)
        if let text = try reader.text("mechanism") {
            guard let mechanism = MechanismChoice(text) else {
                throw reader.error("profile \(name) has the mechanism \(text)", "use \(MechanismChoice.forms)")
            }
            self.mechanism = mechanism
        }
        digest = try reader.text("digest") ?? digest
        guard ["sha256", "sha384", "sha512"].contains(digest) else {
            throw reader.error("profile \(name) has the digest \(digest)", "use sha256, sha384 or sha512")
        }
        let level = try reader.required("level")
        guard let known = Level(rawValue: level) else {
            throw reader.error("profile \(name) has the level \(level)", "use \(Level.allCases.map(\.rawValue).joined(separator: " or "))")
        }
        self.level = known
        authorities = try reader.choices("timestamp-authority", "timestamp-authorities")
        hedgeAfter = try reader.duration("hedge-after")
        if known == .baselineT, authorities.isEmpty {
            throw reader.error("profile \(name) has level B-T and no timestamp-authority", "name one of timestamp-authorities")
        }
        if known == .baselineB, !authorities.isEmpty || hedgeAfter != nil {
            throw reader.error("profile \(name) has level B-B and a timestamp-authority", "remove it, or use level B-T")
        }
        for choice in authorities where !configuration.authorities.contains(where: { $0.name == choice.name }) {
            throw reader.error("profile \(name) names the timestamp authority \(choice.name), which is not there", "add it to timestamp-authorities")
        }
        guard Set(authorities.map(\.name)).count == authorities.count else {
            throw reader.error("profile \(name) names a timestamp authority twice", "remove the second")
        }
        guard hedgeAfter == nil || authorities.count > 1 else {
            throw reader.error("profile \(name) has hedge-after and one timestamp authority", "name a second one, or remove hedge-after")
        }
        try reader.finish()
    }

    /// Those of the signer it names, or the one it gives itself.
    private static func keys(
        _ reader: inout MappingReader, in configuration: TanbaConfiguration, of profile: String
    ) throws(ConfigurationError) -> [TanbaConfiguration.Key] {
        guard let name = try reader.text("signer") else { return [try TanbaConfiguration.Key(&reader, in: configuration, of: "profile \(profile)")] }
        guard let signer = configuration.signers.first(where: { $0.name == name }) else {
            throw reader.error("profile \(profile) names the signer \(name), which is not in signers", "add it or name another")
        }
        return signer.keys
    }
}

extension TanbaConfiguration.Signer {
    fileprivate init(_ reader: inout MappingReader, in configuration: TanbaConfiguration) throws(ConfigurationError) {
        name = try reader.required("name")
        for var item in try reader.list("keys") {
            keys.append(try TanbaConfiguration.Key(&item, in: configuration, of: "signer \(name)"))
            try item.finish()
        }
        guard !keys.isEmpty else { throw reader.error("signer \(name) has no keys", "list at least one, on a token or in a PKCS#12 file") }
        guard Set(keys.map(\.place)).count == keys.count else {
            throw reader.error("signer \(name) has one key twice", "remove the second")
        }
        try reader.finish()
    }
}

extension TanbaConfiguration.Key {
    /// - Parameter owner: "profile office-b"; what the key's fields stand in.
    fileprivate init(_ reader: inout MappingReader, in configuration: TanbaConfiguration, of owner: String) throws(ConfigurationError) {
        if let path = try reader.path("pkcs12") {
            let source = try reader.required("password")
            guard let password = SecretSource(source) else {
                // The text is not shown: it may be the password itself.
                throw reader.error(
                    "the password of \(path) (\(owner)) must say where it is, not what it is", "write file:/path, fd:NUMBER or env:NAME")
            }
            place = .pkcs12(path: path, password: password)
        } else {
            let token = try reader.required("token")
            guard configuration.tokens.contains(where: { $0.name == token }) else {
                throw reader.error("\(owner) names the token \(token), which is not in tokens", "add it or name another")
            }
            let key = try reader.required("key")
            guard let id = Self.bytes(hex: key) else {
                throw reader.error("\(owner) has the key \(key)", "write the key's CKA_ID as hexadecimal digits, such as \"01\"")
            }
            place = .token(token, id: id)
        }
        certificate = try reader.path("certificate")
        chain = try reader.path("chain")
    }

    private static func bytes(hex: String) -> [UInt8]? {
        let digits = hex.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == hex.utf8.count, digits.count.isMultiple(of: 2), !digits.isEmpty else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}

extension TanbaConfiguration.Stream {
    fileprivate init(_ reader: inout MappingReader, in configuration: TanbaConfiguration) throws(ConfigurationError) {
        name = try reader.required("name")
        guard name.wholeMatch(of: /[A-Za-z0-9._-]{1,200}/) != nil else {
            throw reader.error("a stream has the name \(name)", "use at most 200 letters, digits, dots, dashes and underscores, as topics do")
        }
        for (profile, line) in try reader.names("profiles") {
            guard configuration.profiles.contains(where: { $0.name == profile }) else {
                throw ConfigurationError(
                    file: reader.file, line: line, reason: "stream \(name) names the profile \(profile), which is not in profiles",
                    remedy: "add it or remove this line")
            }
            profiles.append(profile)
        }
        guard !profiles.isEmpty else { throw reader.error("stream \(name) has no profiles", "list the profiles that may be used there") }
        try reader.finish()
    }
}

extension TanbaConfiguration.Limits {
    fileprivate init(_ reader: inout MappingReader) throws(ConfigurationError) {
        inFlightMax = try reader.integer("in-flight", in: 1...1_000_000) ?? inFlightMax
        batchResultsMax = try reader.integer("batch-results", in: 1...10_000) ?? batchResultsMax
        batchBytesMax = try reader.integer("batch-bytes", in: 1024...64 << 20) ?? batchBytesMax
        batchWaitMax = try reader.duration("batch-wait") ?? batchWaitMax
        drainMax = try reader.duration("drain") ?? drainMax
        giveUpAfter = try reader.duration("give-up") ?? giveUpAfter
        stampDeadline = try reader.duration("timestamp-deadline") ?? stampDeadline
        fileKeySampling = try reader.integer("file-key-sampling", in: 1...1_000_000) ?? fileKeySampling
        knownJobs = try reader.integer("known-jobs", in: 1...50_000_000) ?? knownJobs
        try reader.finish()
    }
}
