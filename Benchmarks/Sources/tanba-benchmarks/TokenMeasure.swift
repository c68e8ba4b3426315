import TokenSigner

/// `TokenSigner` with one session and no check, beside the bare C_Sign loop on one thread; and with the check, as it runs.
func measureToken(_ measure: String, _ key: Key, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let count = effort.documents(key == .rsa2048 ? 240 : 3000)
    let unchecked = try await scene.signer(key, sessions: 1, checks: .off)
    let checked = try await scene.signer(key, sessions: 1, checks: .always)
    let bare = try BareToken(scene, key, threads: 1)
    let digests = (0..<count).map { number in (0..<32).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0 &* 7) } }
    return try await measurePairs(
        measure, effort: effort, documents: count,
        ours: Side(name: "TokenSigner") { try await sign(digests, with: unchecked, key) },
        reference: Side(name: "bare C_Sign loop") { try bare.sign(count) },
        beside: [Side(name: "with each signature checked") { try await sign(digests, with: checked, key) }])
}
