import Foundation
import OperatingSystem
import SigningTestKit
import Testing

/// Goal: Deploy/topics makes what is missing, says what is not as it must be, and changes nothing unasked.
@Suite(.enabled(if: TestBroker.canBeStarted)) struct TopicsTests {
    static let roles = SecuredStand.roles.flatMap { ["--" + $0, $0] }

    @Test func creatingAgainChangesNothing() async throws {
        let secured = try await SecuredStand(.passwordOverTLS)
        for command in ["create", "check"] {
            let ended = try await secured.topics(command, ["--partitions", "2", "--json"] + Self.roles)
            let report = try TopicsReport(ended)
            #expect(ended.status == 0 && report.done.isEmpty && report.deviations.isEmpty, "\(ended)")
            #expect(report.notes.contains { $0.contains("offsets.retention.minutes of the brokers is 10080") && $0.contains("ledger") })
        }
    }

    @Test func deviationsAreToldAndMendedOnlyWhenAsked() async throws {
        let secured = try await SecuredStand(.certificate)
        let stream = secured.stream
        func kafka(_ words: String...) async throws {
            let ended = try await secured.stand.run(
                "/usr/bin/env", ["python3", secured.stand.lab.repository + "/Deploy/sandbox/kafka.py", secured.broker.bootstrap] + words)
            guard ended.status == 0 else { throw ProgramError("\(ended)") }
        }
        // a stream made by hand: no ledger, one partition too many, results that go after a second
        let other = stream + "x"
        try await kafka("create", other + ".jobs", "2", "cleanup.policy=compact", "max.message.bytes=100000")
        try await kafka("create", other + ".results", "3", "retention.ms=1000", "retention.bytes=1000000", "message.timestamp.type=LogAppendTime")
        try await kafka("allow", "reader", "Write", "topic", other + "*")
        func topics(_ command: String, _ arguments: [String] = []) async throws -> (Ended, TopicsReport) {
            // the last of two --stream counts
            let ended = try await secured.topics(command, ["--stream", other, "--partitions", "2", "--json"] + Self.roles + arguments)
            return (ended, try TopicsReport(ended))
        }
        let (checked, found) = try await topics("check")
        #expect(checked.status == 1)
        let settings: Set = [
            "\(other).jobs cleanup.policy", "\(other).jobs max.message.bytes", "\(other).jobs message.timestamp.type",
            "\(other).results retention.ms", "\(other).results retention.bytes",
        ]
        let lasting: Set = ["\(other).results partitions", "User:reader may Write on topic \(other)*:"]
        let whats = Set(found.deviations.map(\.what))
        let missing: Set = ["\(other).ledger", "User:worker may Read on group tanba-\(other):"]
        #expect(whats.isSuperset(of: settings.union(lasting).union(missing)), "\(checked)")
        #expect(found.deviations.allSatisfy { !$0.why.isEmpty && !$0.remedy.isEmpty && !$0.must.isEmpty })

        let (created, first) = try await topics("create")
        #expect(created.status == 1 && first.done.contains { $0.hasPrefix("made \(other).ledger") }, "\(created)")
        #expect(Set(first.deviations.map(\.what)) == settings.union(lasting), "\(created)")
        let (mended, second) = try await topics("create", ["--mend"])
        #expect(mended.status == 1 && Set(second.deviations.map(\.what)) == lasting, "\(mended)")
        #expect(second.done.count == settings.count)
        try await kafka("revoke", "reader", "Write", "topic", other + "*")
        let (_, third) = try await topics("check")
        #expect(third.deviations.map(\.what) == ["\(other).results partitions"])
    }

    @Test func theKindOfFailureIsTheExitStatus() async throws {
        let secured = try await SecuredStand(.certificate)
        let stand = secured.stand
        func status(_ arguments: [String], as user: String = "admin", says word: String, location: SourceLocation = #_sourceLocation) async throws
            -> Int32?
        {
            let ended = try await secured.topics("check", arguments, as: user)
            #expect(ended.errors.contains(word), "\(ended)", sourceLocation: location)
            return ended.status
        }
        #expect(try await status(["--min-insync", "5"], says: "--min-insync 5") == 2)
        #expect(try await status(["--stream", "not-there", "--replicas", "2"], says: "--replicas 2") == 2)
        #expect(try await status(["--ledger-retention", "1d"], says: "--ledger-retention") == 2)
        #expect(try await status(["--bootstrap", "127.0.0.1:1"], says: "refused") == 3)
        #expect(try await status(["--bootstrap", "broker"], says: "--bootstrap broker: no HOST:PORT") == 2)
        #expect(try await status([], as: "missing", says: "missing.properties: No such file") == 2)
        #expect(try await status([], as: "nobody", says: "TOPIC_AUTHORIZATION_FAILED; check needs the rights Describe") == 3)
        // Python names what librdkafka 2.0.2 does not tell apart.
        for (door, word) in [(TestBroker.Door.expiredServer, "expired"), (.wrongHost, "127.0.0.1")] {
            let bootstrap = try secured.broker.properties(door, as: "admin")["bootstrap.servers"]!
            #expect(try await status(["--bootstrap", bootstrap], says: word) == 3)
        }
        try stand.write(String(decoding: try stand.read("admin.properties"), as: UTF8.self) + "sasl.kerberos.principal=x\n", to: "odd.properties")
        #expect(try await status([], as: "odd", says: "sasl.kerberos.principal") == 2)
        try stand.write("security.protocol=ssl\nssl.ca.location=none.pem\n", to: "rootless.properties")
        #expect(try await status([], as: "rootless", says: "ssl.ca.location: there is no none.pem") == 2)
        let bare = String(decoding: try stand.read("admin.properties"), as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix("s") }
        try stand.write(bare.filter { !$0.contains("ssl.certificate") && !$0.contains("ssl.key") }.joined(separator: "\n"), to: "bare.properties")
        #expect(try await status([], as: "bare", says: "check ssl.certificate.location") == 3)
    }

    /// A jobs topic of a stream whose window reaches further back than its topics keep anything.
    @Test func retentionIsLongerThanTheWindow() async throws {
        let secured = try await SecuredStand(.certificate)
        let ended = try await secured.topics("check", ["--partitions", "2", "--jobs-per-day", "1000", "--json"])
        // 50,000 jobs a partition, 2 partitions: 100 days
        let deviations = try TopicsReport(ended).deviations
        #expect(deviations.map(\.what) == ["jobs", "results", "ledger"].map { "\(secured.stream).\($0) retention.ms" }, "\(ended)")
        #expect(deviations.allSatisfy { $0.must.contains("100 days") })
        // copies that cannot be made are a deviation of topics that are there
        let copies = try await secured.topics("check", ["--partitions", "2", "--replicas", "2", "--json"])
        let few = try TopicsReport(copies).deviations.filter { $0.what.hasPrefix(secured.stream) }
        #expect(few.map(\.what) == ["jobs", "results", "ledger"].map { "\(secured.stream).\($0) copies" }, "\(copies)")
        #expect(few.allSatisfy { $0.found == "1" }, "\(copies)")
        let enough = try await secured.topics("check", ["--partitions", "2", "--jobs-per-day", "1000000"])
        #expect(enough.status == 0, "\(enough)")
    }

    /// The broker that operators try security with: both ways in, and nothing for who has no rights.
    @Test func theSecureBrokerServesAStream() async throws {
        let stand = try ProgramStand()
        let script = stand.lab.repository + "/Deploy/secure-broker"
        let folder = stand("broker")
        let up = try await stand.run(script, ["up", "--dir", folder], within: .seconds(240))
        do {
            #expect(up.status == 0, "\(up)")
            let passwords = up.output.split(separator: "\n").filter { $0.hasPrefix("sasl.password=") }
            #expect(passwords.count == 5 && passwords.allSatisfy { $0 == "sasl.password=…" }, "\(up)")
            let properties = { (user: String, way: String) in "\(folder)/clients/\(user).\(way).properties" }
            for (way, statusOfNobody) in [("mtls", Int32(3)), ("sasl", 3)] {
                let text = String(decoding: try Files.read(properties("admin", way), atMost: 1 << 16), as: UTF8.self)
                let address = String(text.split(separator: "\n").first { $0.hasPrefix("bootstrap.servers=") }!.dropFirst(18))
                let topics = { (command: String, user: String) in
                    try await stand.run(
                        stand.lab.repository + "/Deploy/topics",
                        [command, "--stream", "s-" + way, "--partitions", "1", "--bootstrap", address, "--client-properties", properties(user, way)]
                            + Self.roles)
                }
                let made = try await topics("create", "admin")
                #expect(made.status == 0, "\(made)")
                #expect(try await topics("check", "reader").status == statusOfNobody)
                let audited = try await stand.run(
                    "tanba-auditor",
                    ["audit", "--stream", "s-" + way, "--bootstrap", address, "--client-properties", properties("auditor", way)]
                        + ["--trust", stand.lab.sandbox + "/pki/ca.pem", "--tsa-trust", stand.lab.sandbox + "/pki/tsa-ca.pem"])
                #expect(audited.status == 0 && audited.output.contains("0 jobs"), "\(audited)")
            }
        } catch {
            _ = try await stand.run(script, ["down", "--dir", folder])
            throw error
        }
        let down = try await stand.run(script, ["down", "--dir", folder])
        #expect(down.status == 0, "\(down)")
    }
}

/// What `Deploy/topics --json` prints.
struct TopicsReport: Decodable {
    struct Deviation: Decodable {
        let what: String
        let found: String
        let must: String
        let why: String
        let remedy: String
    }

    let done: [String]
    let deviations: [Deviation]
    let notes: [String]

    init(_ ended: Ended) throws {
        do { self = try JSONDecoder().decode(Self.self, from: Data(ended.output.utf8)) } catch { throw ProgramError("no report: \(ended)") }
    }
}
