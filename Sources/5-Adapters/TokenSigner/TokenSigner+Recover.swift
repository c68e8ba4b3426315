import LibCrypto
import OperatingSystem
import SigningPipeline

extension TokenSigner {
    /// Opens or restores the token where that is needed, finds the key anew, and proves it with several challenges; until it succeeds.
    ///
    /// The first attempt is made at once, unless the last one was made without a good signature since; then the pauses grow from 0.1 s to
    /// 10 s, a random part of each. They end early when `TokenRegistry.readersChanged` is called. Of all signers of a token one probes at a
    /// time, and while the token as a whole is out, no other does.
    /// - Throws: a permanent `SignerError` when only a person can help (a PIN that was refused, a key that is not the certificate's and never
    ///   was), `CancellationError` when cancelled.
    public func recover() async throws {
        var hasTurn = false
        do {
            while true {
                let probes = token.health(number).probes
                if probes > 0 { await token.prober.pause(Self.pause(after: probes)) }
                try Task.checkCancellation()
                if !hasTurn {
                    try await token.prober.takeTurn()
                    hasTurn = true
                }
                guard let failure = await probe() else { return await token.prober.endTurn() }
                if failure.error.isPermanent { throw failure.error }
                if failure.scope != .token {
                    await token.prober.endTurn()
                    hasTurn = false
                }
            }
        } catch {
            if hasTurn { await token.prober.endTurn() }
            throw error
        }
    }

    /// One attempt; for who has the turn. nil when the key may be used.
    func probe() async -> TokenFailure? {
        let health = token.health(number)
        token.update(number) { $0.probes += 1 }
        do throws(TokenFailure) {
            try await token.connect(doubting: health.doubtedEpoch)
            let trust = token.state.withLock { $0.trust }
            let proven = try await KeyProbe(token: token, key: key, use: use).prove(certificate, challenges: 4)
            pace.withLock { $0 = proven.seconds }
            token.proved(self, trust)
            return nil
        } catch {
            return token.failed(number, error)
        }
    }

    private static func pause(after probes: Int) -> Duration {
        min(.seconds(10), .milliseconds(100) * (1 << min(probes - 1, 16))) * Double.random(in: 0.5...1)
    }
}
