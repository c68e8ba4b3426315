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

/// As the pipeline does: batches of the signer's size, two for each of its lanes at once, one to work on and one behind it.
private func sign(_ digests: [[UInt8]], with signer: TokenSigner, _ key: Key) async throws {
    let size = signer.batchSize
    try await withThrowingTaskGroup(of: Int.self) { group in
        var start = 0
        var inFlight = 0
        while start < digests.count || inFlight > 0 {
            if start < digests.count, inFlight < 2 * signer.width {
                let batch = Array(digests[start..<min(start + size, digests.count)])
                group.addTask { try await signer.sign(batch, with: key.algorithm).count }
                start += size
                inFlight += 1
            } else {
                _ = try await group.next()
                inFlight -= 1
            }
        }
    }
}
