import CMS
import Foundation
import OperatingSystem
import Testing

@testable import Configuration

/// A configuration is taken whole or refused with file, line and remedy.
@Suite struct ConfigurationTests {
    static let good = """
        worker:
          id: w1
        operations:
          port: 0
        kafka:
          bootstrap: "localhost:9092"
          properties:
            session.timeout.ms: 6000
        tokens:
          - name: hsm
            module: module.so
            label: office
            pin: env:PIN
            environment:
              SOFTHSM2_CONF: conf
        timestamp-authorities:
          - name: tsa
            url: http://tsa.example/
            trust: /etc/tsa.pem
            policy: 1.2.3
            timeout: 1500ms
        profiles:
          - name: b
            token: hsm
            key: "0a"
            level: B-B
          - name: t
            token: hsm
            key: "0aff"
            certificate: t.pem
            digest: sha512
            level: B-T
            timestamp-authority: tsa
          - name: s
            signer: office
            mechanism: rsa-pss
            level: B-B
        signers:
          - name: office
            keys:
              - token: hsm
                key: "01"
                certificate: office.pem
              - pkcs12: office.p12
                password: env:P12
        streams:
          - name: office
            profiles: [b, t]
        limits:
          in-flight: 100
          batch-wait: 1s

        """

    private static func parse(_ text: String) throws(ConfigurationError) -> TanbaConfiguration {
        try TanbaConfiguration.parse(text, file: "/etc/tanba/tanba.yaml") { $0 == "group.id" ? "the group follows from the stream" : nil }
    }

    @Test func everyValueIsRead() throws {
        let configuration = try Self.parse(Self.good)
        #expect(configuration.file == "/etc/tanba/tanba.yaml")
        #expect(configuration.worker.id == "w1")
        #expect(configuration.operations?.port == 0 && configuration.operations?.address == "127.0.0.1")
        #expect(configuration.kafka?.bootstrap == "localhost:9092" && configuration.kafka?.properties == ["session.timeout.ms": "6000"])
        #expect(configuration.tokens[0].module == "/etc/tanba/module.so", "paths count from the file's folder")
        #expect(configuration.tokens[0].pin == .environment(name: "PIN") && configuration.tokens[0].sessions == 16)
        #expect(configuration.tokens[0].environment == ["SOFTHSM2_CONF": "conf"])
        #expect(configuration.authorities[0].trust == "/etc/tsa.pem" && configuration.authorities[0].timeout == .milliseconds(1500))
        #expect(configuration.profiles[0].keys.map(\.place) == [.token("hsm", id: [0x0A])])
        #expect(configuration.profiles[1].keys.map(\.place) == [.token("hsm", id: [0x0A, 0xFF])])
        #expect(
            configuration.profiles[2].keys.map(\.place) == [
                .token("hsm", id: [1]), .pkcs12(path: "/etc/tanba/office.p12", password: .environment(name: "P12")),
            ])
        #expect(configuration.profiles[2].keys[0].certificate == "/etc/tanba/office.pem" && configuration.profiles[2].mechanism == .rsaPSS)
        #expect(configuration.profiles.map(\.level) == [.baselineB, .baselineT, .baselineB])
        #expect(configuration.profiles[1].keys[0].certificate == "/etc/tanba/t.pem" && configuration.profiles[1].digest == "sha512")
        #expect(configuration.streams[0].profiles == ["b", "t"])
        #expect(configuration.limits.inFlightMax == 100 && configuration.limits.batchWaitMax == .seconds(1))
        #expect(configuration.limits.batchResultsMax == 500, "what is not there keeps its default")
    }

    @Test func theCommentedExampleIsAConfiguration() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let configuration = try TanbaConfiguration.read(root.appending(path: "docs/tanba.yaml").path) { _ in nil }
        #expect(configuration.profiles.count == 3 && configuration.streams.count == 1)
    }

    struct Fault: CustomTestStringConvertible {
        var line: Int
        var from: String
        var to: String
        var says: String
        var testDescription: String { to.isEmpty ? "without \(from)" : to }

        init(_ line: Int, _ from: String, _ to: String, _ says: String) { (self.line, self.from, self.to, self.says) = (line, from, to, says) }
    }

    @Test(arguments: [
        Fault(2, "id: w1", "idd: w1", "worker.idd is not a known key"),
        Fault(2, "id: w1", "id: w 1", "worker.id is w 1"),
        Fault(4, "port: 0", "port: 70000", "operations.port must be a whole number from 0 to 65535"),
        Fault(6, "bootstrap", "bootstraps", "kafka.bootstrap is missing"),
        Fault(8, "session.timeout.ms: 6000", "group.id: mine", "kafka.properties.group.id: the group follows from the stream"),
        Fault(10, "pin: env:PIN", "pin: 1234", "must say where the PIN is"),
        Fault(17, "url: http", "url: ftp", "has the address ftp://tsa.example/"),
        Fault(21, "timeout: 1500ms", "timeout: soon", "timeout must be a time such as"),
        Fault(23, "token: hsm\n    key: \"0a\"", "token: hsm\n    key: \"xyz\"", "CKA_ID"),
        Fault(23, "level: B-B", "level: B-LTA", "has the level B-LTA"),
        Fault(23, "level: B-B", "level: B-B\n    timestamp-authority: tsa", "level B-B and a timestamp-authority"),
        Fault(27, "timestamp-authority: tsa", "timestamp-authority: other", "names the timestamp authority other"),
        Fault(27, "name: t\n", "name: b\n", "has the name b, which another has too"),
        Fault(48, "profiles: [b, t]", "profiles: [b, x]", "names the profile x"),
        Fault(50, "in-flight: 100", "in-flight: many", "limits.in-flight must be a whole number"),
        Fault(49, "limits:", "limit:", "limit is not a known key"),
        Fault(34, "mechanism: rsa-pss", "mechanism: rsa", "use rsa-pkcs1, rsa-pss"),
        Fault(34, "signer: office", "signer: other", "names the signer other"),
        Fault(41, "token: hsm\n        key", "token: other\n        key", "signer office names the token other"),
        Fault(44, "password: env:P12", "password: s3cret", "must say where it is, not what it is"),
        Fault(39, "pkcs12: office.p12\n        password: env:P12", "token: hsm\n        key: \"01\"", "has one key twice"),
        Fault(36, "signer: office", "signer: office\n    token: hsm", "token is not a known key"),
        Fault(
            16, "      SOFTHSM2_CONF: conf",
            "      SOFTHSM2_CONF: conf\n  - {name: b, module: module.so, label: b, pin: env:B, environment: {SOFTHSM2_CONF: other}}",
            "another SOFTHSM2_CONF"),
        Fault(10, "tokens:", "tokens: [", "tanba.yaml:"),
    ])
    func aFaultIsNamedWithItsLine(fault: Fault) throws {
        let text = Self.good.replacingOccurrences(of: fault.from, with: fault.to)
        #expect(text != Self.good, "the fault was not planted")
        let error = #expect(throws: ConfigurationError.self) { try Self.parse(text) }
        #expect(error?.description.contains(fault.says) == true, "\(error?.description ?? "")")
        #expect(error?.line != nil && error?.remedy.isEmpty == false)
        #expect(error?.line == fault.line, "\(error?.description ?? "")")
    }

    @Test func authoritiesHaveAnOrderOrWeights() throws {
        func profile(_ line: String, budget: String = "20 in 20m") throws -> TanbaConfiguration {
            try Self.parse(
                Self.good.replacingOccurrences(of: "timestamp-authority: tsa\n", with: line + "\n")
                    .replacingOccurrences(
                        of: "timestamp-authorities:\n",
                        with: "timestamp-authorities:\n  - {name: other, url: \"http://other/\", trust: t.pem, budget: \(budget)}\n"))
        }
        typealias Choice = TanbaConfiguration.AuthorityChoice
        let ordered = try profile("timestamp-authorities: [tsa, other]\n    hedge-after: 2s")
        #expect(ordered.profiles[1].authorities == [Choice(name: "tsa"), Choice(name: "other")] && ordered.profiles[1].hedgeAfter == .seconds(2))
        #expect(ordered.authorities[0].budget == TanbaConfiguration.Budget(requests: 20, window: .seconds(1200)))
        #expect(ordered.authorities[1].budget == nil)
        let weighed = try profile("timestamp-authorities: {tsa: 3, other: 1}")
        #expect(weighed.profiles[1].authorities == [Choice(name: "tsa", weight: 3), Choice(name: "other", weight: 1)])
        for (line, says) in [
            ("timestamp-authorities: {tsa: 0}", "must be a weight"), ("timestamp-authorities: [tsa, tsa]", "twice"),
            ("timestamp-authorities: []", "is empty"), ("timestamp-authorities: [tsa, none]", "names the timestamp authority none"),
            ("timestamp-authority: tsa\n    timestamp-authorities: [other]", "beside timestamp-authority"),
            ("timestamp-authority: tsa\n    hedge-after: 2s", "name a second one"),
        ] {
            let error = #expect(throws: ConfigurationError.self) { try profile(line) }
            #expect(error?.description.contains(says) == true, "\(line): \(error?.description ?? "")")
        }
        let error = #expect(throws: ConfigurationError.self) { try profile("timestamp-authority: tsa", budget: "20 per hour") }
        #expect(error?.description.contains("20 in 20m") == true)
    }

    @Test func aPINInTheFileIsNotShown() throws {
        let error = #expect(throws: ConfigurationError.self) {
            try Self.parse(Self.good.replacingOccurrences(of: "pin: env:PIN", with: "pin: 998877"))
        }
        #expect(error?.description.contains("998877") == false)
    }

    @Test func kafkasPasswordsComeFromWhereTheFileSays() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "password-\(UInt64.random(in: .min ... .max))").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data("s3cret\n".utf8).write(to: URL(fileURLWithPath: path))
        let line = "session.timeout.ms: 6000"
        let text = Self.good.replacingOccurrences(of: line, with: "sasl.password: file:\(path)")
        let kafka = try Self.parse(text).kafka
        #expect(kafka?.properties == ["sasl.password": "s3cret"])
        #expect(kafka?.secretFiles == ["sasl.password": path])
        let inline = #expect(throws: ConfigurationError.self) {
            try Self.parse(Self.good.replacingOccurrences(of: line, with: "sasl.password: s3cret"))
        }
        #expect(inline?.line == 8 && inline?.description.contains("s3cret") == false)
    }

    @Test func aMissingFileNamesTheWays() throws {
        let error = #expect(throws: ConfigurationError.self) { try TanbaConfiguration.read("/nowhere/tanba.yaml") { _ in nil } }
        #expect(error?.description.contains("/nowhere/tanba.yaml") == true && error?.remedy.contains("--config") == true)
    }
}
