import Log
import OperatingSystem
import PKCS11
import SigningPipeline

/// The signatures of one batch.
struct SignedBatch: Sendable {
    /// In the order of the digests, as CMS writes them.
    let signatures: [[UInt8]]
    /// The token's epoch in which they were made.
    let epoch: Int
    /// Of one signature, on average.
    let seconds: Double
}

extension SharedToken {
    /// Runs the body with a session that is nobody else's meanwhile; again from its start after a loss (`SessionPool.run`).
    func run<R: Sendable>(
        _ body: @escaping @Sendable (borrowing Session, SessionPool) throws(PKCS11Error) -> R
    ) async throws(TokenFailure) -> R {
        guard let pool = state.withLock({ $0.pool }) else { throw TokenFailure(error: Self.closed(name), scope: .token) }
        do throws(PKCS11Error) {
            return try await pool.run { (session: borrowing Session) throws(PKCS11Error) in try body(session, pool) }
        } catch {
            throw wentOut(error)
        }
    }

    /// Signs the digests one after the other on one session.
    func sign(_ digests: [[UInt8]], _ method: SigningMethod, key id: [UInt8]) async throws(TokenFailure) -> SignedBatch {
        let watch = ContinuousClock()
        return try await run { (session: borrowing Session, pool: SessionPool) throws(PKCS11Error) in
            let key = try session.keyPair(id: id)
            var signatures: [[UInt8]] = []
            signatures.reserveCapacity(digests.count)
            let rests = pool.restCount
            let begin = self.clock.elapsed()
            let first = watch.now
            var start = first
            for digest in digests {
                let answer = try session.sign(method.input(digest).span, with: method.mechanism, parameters: method.parameters, key: key)
                // What is no signature at all becomes an empty one, which no public key verifies.
                signatures.append(method.signature(answer) ?? [])
                let end = watch.now
                self.metrics.signed(in: start.duration(to: end))
                start = end
            }
            self.measured(digests.count, from: begin, wasBusy: pool.restCount == rests, pool)
            return SignedBatch(
                signatures: signatures, epoch: session.epoch, seconds: first.duration(to: start).seconds / Double(max(1, digests.count)))
        }
    }

    // MARK: - Width

    /// On the lane that signed a batch: the width follows what was measured.
    private func measured(_ count: Int, from begin: Duration, wasBusy: Bool, _ pool: SessionPool) {
        let end = clock.elapsed()
        let isFixed = settings.fixedWidth != nil
        let change: (finder: KneeFinder, isFound: Bool)? = state.withLock { state in
            state.meter.add(count, at: end.seconds)
            if isFixed { return nil }
            let wasSettled = state.finder.isSettled
            let hasMoved = state.finder.record(start: begin.seconds, end: end.seconds, signatures: count, wasBusy: wasBusy)
            let isFound = !wasSettled && state.finder.isSettled
            return hasMoved || isFound ? (state.finder, isFound) : nil
        }
        if let change {
            pool.width = change.finder.width
            metrics.set(width: pool.width)
            if change.isFound { found(change.finder) }
        }
        // Another program may have given sessions back: once a minute they may be asked for again.
        if let shortageAt = state.withLock({ $0.shortageAt }), end - shortageAt >= .seconds(60) { liftLimit() }
    }

    private func found(_ finder: KneeFinder) {
        guard let knee = finder.knee, let rate = finder.rate else { return }
        metrics.set(rate: rate)
        log.info("token-knee", "", [("width", LogValue(knee)), ("signatures_per_second", LogValue(rate.rounded()))])
        if memory != nil { Task { await keep(knee) } }
    }

    /// For the next start; off Swift's own threads.
    func keep(_ knee: Int) async {
        guard let memory else { return }
        await control.run { [log, settings] in
            do { try memory.remember(knee, module: settings.module, label: settings.label) } catch {
                log.warning("token-knee-not-kept", "\(error)")
            }
        }
    }

    /// The token refused a session.
    func gaveNoSession(_ error: PKCS11Error, _ ceiling: Int) {
        let now = clock.elapsed()
        let finder = state.withLock { state in
            state.shortageAt = now
            state.finder.setLimit(ceiling, at: now.seconds)
            return state.finder
        }
        if settings.fixedWidth == nil { state.withLock { $0.pool }?.width = finder.width }
        metrics.set(width: width)
        log.warning("token-session-limit", "\(error); \(ceiling) sessions sign", [("sessions", LogValue(ceiling))])
    }

    /// Sessions that the token refused may be asked for again.
    func liftLimit() {
        let now = clock.elapsed().seconds
        let pool = state.withLock { state in
            state.shortageAt = nil
            if let pool = state.pool { state.finder.setLimit(pool.sessionsMax, at: now) }
            return state.pool
        }
        pool?.liftCeiling()
    }
}
