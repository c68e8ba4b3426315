import Foundation
import TimeStampClient

/// Something that an authority does instead of stamping, as a script of the demo authority says it.
struct FaultCase: Sendable, Hashable, CustomStringConvertible {
    let script: String
    /// What it is, for a person; after "the authority".
    let meaning: String
    /// Whether what it sends is a time-stamp that must not be believed.
    let isLie: Bool
    /// How long its answer is waited for.
    var timeout: Duration { script.hasPrefix("latency") ? .milliseconds(200) : .seconds(20) }

    var description: String { script }

    static let all =
        lies.map { FaultCase(script: $0, meaning: $1, isLie: true) } + outages.map { FaultCase(script: $0, meaning: $1, isLie: false) }

    private static let lies = [
        ("wrong-imprint", "stamps something else, one bit away"),
        ("wrong-nonce", "answers another request"),
        ("no-nonce", "leaves the nonce out"),
        ("wrong-policy", "stamps under another policy than was asked for"),
        ("time +3600", "is an hour ahead"),
        ("time -3600", "is an hour behind"),
        ("no-eku", "signs with a certificate of the trusted root that is not for time-stamping"),
        ("flipped-signature", "sends a signature with one bit flipped"),
        ("two-signers", "sends two SignerInfos"),
        ("truncated", "sends the first half of a good answer"),
        ("rejection", "rejects the request: systemFailure"),
        ("garbage", "sends random bytes as application/timestamp-reply"),
        ("html", "is hidden by a web page with status 200"),
    ]

    private static let outages = [
        ("status 403", "does not serve this machine"),
        ("status 404", "is not at this path"),
        ("status 429 retry-after 60", "has had enough requests"),
        ("status 500", "has trouble of its own"),
        ("status 503 retry-after 60", "is closed for a while"),
        ("latency 3600000", "does not answer in time"),
        ("reset", "resets connections"),
        ("dead", "refuses connections"),
    ]
}

/// What became of it.
struct FaultOutcome: Sendable {
    /// What the client called it, each request; sorted.
    var errors: [String] = []
    /// How the authority stood while it lasted, as `Governor.status` names it.
    var state = ""
    /// What must not be.
    var problems: [String] = []
}

extension FaultCase {
    /// Alone: jobs wait while it lasts, nothing is published, and all are stamped when it is over.
    func meetAlone(_ pki: TestPKI) async throws -> FaultOutcome {
        var outcome = FaultOutcome()
        let stand = await FaultStand(pki)
        let authority = try stand.authority(script)
        let governor = try stand.governor("first", authority, timeout: timeout)
        async let end = stand.run([governor])
        // Met for certain: by jobs, and by a probe after it was out
        let isMet = await eventually { stand.outcomes("first").values.reduce(0, +) >= 3 && governor.status.state != "in" }
        if !isMet { outcome.problems.append("it was not met: \(stand.outcomes("first")), \(governor.status.state)") }
        outcome.state = governor.status.state
        outcome.errors = stand.outcomes("first").keys.sorted()
        let (published, honest) = (await stand.published, stand.outcomes("first")["granted"])
        if published != 0 || honest != nil { outcome.problems.append("\(published) results while it lasted, \(honest ?? 0) stamps believed") }
        try authority.follow("")
        if let error = await end { outcome.problems.append("the run ended with \(error)") }
        outcome.problems += await stand.problems(stampedBy: "first")
        outcome.problems += try await stand.disbelief(of: authority)
        await governor.close()
        return outcome
    }

    /// With a second authority after it: nobody waits for the first.
    func meetWithAnother(_ pki: TestPKI) async throws -> FaultOutcome {
        var outcome = FaultOutcome()
        let stand = await FaultStand(pki)
        let (authority, other) = (try stand.authority(script), try stand.authority(""))
        let governors = [
            try stand.governor("first", authority, timeout: timeout), try stand.governor("second", other, timeout: .seconds(20)),
        ]
        if let error = await stand.run(governors) { outcome.problems.append("the run ended with \(error)") }
        outcome.state = governors[0].status.state
        outcome.errors = stand.outcomes("first").keys.sorted()
        outcome.problems += await stand.problems(stampedBy: "second")
        for governor in governors { await governor.close() }
        return outcome
    }

    private func eventually(_ condition: () -> Bool) async -> Bool {
        for _ in 0..<10_000 {
            if condition() { return true }
            try? await Task.sleep(for: .milliseconds(2))
        }
        return false
    }
}

extension FaultStand {
    /// Every stamp that was believed is one that the authority honestly gave.
    fileprivate func disbelief(of authority: DemoAuthority) async throws -> [String] {
        let (counts, believed) = (try await authority.counts(), outcomes("first")["granted"] ?? 0)
        // What was rejected is counted among the lies and not among the granted
        let honest = counts["granted"]! - max(0, counts["lies"]! - counts["rejected"]!)
        return believed > honest ? ["\(believed) stamps believed, \(honest) honest ones"] : []
    }
}
