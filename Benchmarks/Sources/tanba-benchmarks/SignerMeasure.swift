import TokenSigner

/// `TokenSigner` with two sessions beside the bare C_Sign loop on two threads; with the check, beside the bare loop that verifies too.
func measureSigner(_ measure: String, _ key: Key, checked: Bool, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let count = effort.documents(key == .rsa2048 ? 600 : 8000)
    let signer = try await scene.signer(key, sessions: 2, checks: checked ? .always : .off)
    let bare = try BareToken(scene, key, threads: 2)
    let digests = (0..<count).map { number in (0..<32).map { UInt8(truncatingIfNeeded: number &* 31 &+ $0 &* 7) } }
    // The width is found while work waits.
    try await scene.settle(signer, key, seconds: effort.seconds(4))
    return try await measurePairs(
        measure, effort: effort, documents: count,
        ours: Side(name: "TokenSigner") { try await sign(digests, with: signer, key) },
        reference: checked
            ? Side(name: "bare loop of C_Sign and EVP_PKEY_verify, two threads") { try bare.signAndVerify(count) }
            : Side(name: "bare C_Sign loop, two threads") { try bare.sign(count) },
        showsRates: true)
}

/// As the pipeline does: batches of the signer's size, two for each of its lanes at once, one to work on and one behind it.
func sign(_ digests: [[UInt8]], with signer: TokenSigner, _ key: Key) async throws {
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

/// The same for so long, over one digest again and again. How many signatures were made.
func sign(for seconds: Double, with signer: TokenSigner, _ key: Key) async throws -> Int {
    let end = ContinuousClock.now + .seconds(seconds)
    let digest = [UInt8](repeating: 0x5A, count: 32)
    return try await withThrowingTaskGroup(of: Int.self) { group in
        var made = 0
        var inFlight = 0
        while inFlight > 0 || ContinuousClock.now < end {
            if inFlight < 2 * signer.width, ContinuousClock.now < end {
                let batch = [[UInt8]](repeating: digest, count: signer.batchSize)
                group.addTask { try await signer.sign(batch, with: key.algorithm).count }
                inFlight += 1
            } else {
                made += try await group.next() ?? 0
                inFlight -= 1
            }
        }
        return made
    }
}
