import OperatingSystem

/// Which keys do not sign, and why: what the pipeline's one task knows, for those who ask from elsewhere.
final class KeysOut: Sendable {
    private let reasons = Locked<[KeyTicket: String]>([:])

    /// - Parameter reason: nil when it signs again.
    func set(_ ticket: KeyTicket, _ reason: String?) { reasons.withLock { $0[ticket] = reason } }

    /// A sentence part for each profile that waits for a key.
    func profilesWithoutKey(_ profiles: [SigningProfile]) -> [String] {
        reasons.withLock { reasons in
            profiles.filter { profile in profile.keys.allSatisfy { reasons[KeyTicket(profile: profile.name, key: $0.index)] != nil } }
                .map { "the signer of profile \($0.name)" }
        }
    }

    func list(_ profiles: [SigningProfile]) -> [(profile: String, key: String, reason: String)] {
        reasons.withLock { reasons in
            profiles.flatMap { profile in
                profile.keys.compactMap { key in
                    reasons[KeyTicket(profile: profile.name, key: key.index)].map { (profile.name, key.signer.name, $0) }
                }
            }
        }
    }
}
