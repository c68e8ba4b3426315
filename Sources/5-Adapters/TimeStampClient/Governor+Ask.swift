import FoundationEssentials
import Log
import Metrics
import OperatingSystem
import SigningPipeline
import TimeStampProtocol

extension Governor {
    /// Sends the request that the ticket stands for, and takes in what came of it.
    func ask(_ imprint: MessageImprint, _ ticket: Ticket) async -> Result<AuthorityAnswer, TimeStampAuthorityError> {
        state.withLock { $0.algorithm = imprint.algorithm }
        // What was sent is known after a crash, where each request counts.
        await remember(isUrgent: false)
        let result = await answer(to: imprint)
        let (now, wentOut, learned) = state.withLock { state -> (Duration, Breaker.Cause?, RequestRate?) in
            let now = clock.elapsed()
            let isNews = take(result, ticket, into: &state, at: now)
            guard case .failure(let error) = result else { return (now, nil, nil) }
            let notBefore = error.retryAfter.map { now + $0 }
            if let cause = error.cause, state.breaker.failed(cause, sent: ticket.sent, at: now, notBefore: notBefore, chance: .random(in: 0...1)) {
                state.reason = error.reason
                state.alertedAfter = .zero
                metrics.show(&state, at: now)
                return (now, cause, nil)
            }
            return (now, nil, isNews ? state.budget.learned : nil)
        }
        if case .failure(let error) = result {
            if let wentOut { alertOut(wentOut, error) }
            if let learned { alertLimits(error, learned, at: now) }
            if wentOut != nil || learned != nil { await remember(isUrgent: true) }
        }
        notify()
        return result
    }

    /// One request of the governor's own, over random octets. The ticket is the breaker's as well.
    func probe(_ ticket: Ticket) async {
        let algorithm = state.withLock { $0.algorithm }
        let imprint = MessageImprint(of: Randomness.bytes(32), by: algorithm)
        let result = await answer(to: imprint)
        var outage = Duration.zero
        var alert: Duration?
        state.withLock { state in
            let now = clock.elapsed()
            _ = take(result, ticket, into: &state, at: now)
            switch result {
            case .success:
                outage = state.breaker.probeSucceeded(at: now)
                state.finder.restart(at: now)
                state.reason = ""
            case .failure(let error):
                let notBefore = error.retryAfter.map { now + $0 }
                let out = now - (state.breaker.outSince ?? now)
                state.breaker.probeFailed(error.isLimit ? nil : error.cause, at: now, notBefore: notBefore, chance: .random(in: 0...1))
                if error.cause != nil { state.reason = error.reason }
                if out >= max(.seconds(60), state.alertedAfter * 2) {
                    state.alertedAfter = out
                    alert = out
                }
            }
            metrics.show(&state, at: now)
        }
        switch result {
        case .success:
            metrics.probes.add(1, name, "granted")
            log.info("timestamp-authority-back", "the time-stamp authority \(name) stamps again", [("out_seconds", LogValue(outage.seconds))])
        case .failure(let error):
            metrics.probes.add(1, name, error.fault)
            if let alert {
                log.error(
                    "timestamp-authority-still-out", "\(error)", [("fault", LogValue(error.fault)), ("out_seconds", LogValue(alert.seconds))])
            }
        }
        await remember(isUrgent: true)
        notify()
    }

    private func answer(to imprint: MessageImprint) async -> Result<AuthorityAnswer, TimeStampAuthorityError> {
        do throws(TimeStampAuthorityError) {
            return .success(try await asker.ask(imprint))
        } catch {
            return .failure(error)
        }
    }

    /// Everything but the breaker.
    /// - Returns: whether a 429 taught something.
    private func take(
        _ result: Result<AuthorityAnswer, TimeStampAuthorityError>, _ ticket: Ticket, into state: inout State, at now: Duration
    ) -> Bool {
        state.inFlight -= 1
        var isNews = false
        switch result {
        case .success(let answer):
            state.budget.answered(.granted, at: now)
            state.breaker.succeeded(sent: ticket.sent)
            state.finder.answered(sent: ticket.sent, at: now, wasFull: ticket.wasFull)
            state.skew = answer.skew
        case .failure(let error):
            if error.isLimit {
                isNews = state.budget.wasLimited(at: now, sent: ticket.sent, retryAfter: error.retryAfter)
                state.finder.restart(at: now)
                state.budget.answered(.limited, at: now)
            } else if error.wasNotSent {
                state.budget.giveBack()
            } else {
                state.budget.answered(.other, at: now)
            }
            if error.fault == "timeout" { state.finder.timedOut(sent: ticket.sent, at: now) }
            if let skew = error.skew { state.skew = skew }
        }
        metrics.show(&state, at: now)
        return isNews
    }

    private func alertOut(_ cause: Breaker.Cause, _ error: TimeStampAuthorityError) {
        log.error(
            "timestamp-authority-out", "\(error)",
            [("cause", LogValue(cause.rawValue)), ("fault", LogValue(error.fault)), ("out_seconds", 0)])
    }

    private func alertLimits(_ error: TimeStampAuthorityError, _ learned: RequestRate, at now: Duration) {
        let held = state.withLock { $0.budget.heldUntil.map { ($0 - now).seconds } ?? 0 }
        log.error(
            "timestamp-authority-limits", "\(error)",
            [("held_seconds", LogValue(held)), ("learned_budget", LogValue("\(learned)")), ("configured", LogValue(settings.budget != nil))])
    }

    // MARK: - Memory

    /// - Parameter isUrgent: else the memory writes about once a second, but each time where a budget is so small that each request counts.
    func remember(isUrgent: Bool) async {
        guard let memory else { return }
        let isDue = isUrgent || memory.isDue(at: clock.elapsed())
        let record = state.withLock { state in
            isDue || state.budget.share.map { $0 <= 100 } ?? false ? state.record(clock) : nil
        }
        guard let record else { return }
        await memory.remember(record, of: name, at: clock.elapsed(), log)
    }
}

extension Governor.State {
    func record(_ clock: PipelineClock) -> AuthorityMemory.Record {
        let (wall, now) = (clock.wall(), clock.elapsed())
        func date(_ time: Duration) -> Date { wall.addingTimeInterval((time - now).seconds) }
        var record = AuthorityMemory.Record()
        if let cause = breaker.cause {
            var until = now
            if case .open(let time) = breaker.state { until = time }
            record.outage = AuthorityMemory.Outage(
                cause: cause.rawValue, reason: reason, since: date(breaker.outSince ?? now), until: date(until), openings: breaker.openings)
        }
        record.learned = budget.learned
        record.heldUntil = budget.heldUntil.flatMap { $0 > now ? date($0) : nil }
        record.lastHold = budget.pauseThatWasAsked
        if budget.rate != nil {
            record.uses = budget.counting.map { (date($0.time), $0.count) }
            // As if they were answered now: nobody will know when they were.
            if budget.underWay > 0 { record.uses.append((wall, budget.underWay)) }
        }
        return record
    }

    mutating func restore(_ record: AuthorityMemory.Record, _ clock: PipelineClock) {
        let (wall, now) = (clock.wall(), clock.elapsed())
        func time(_ date: Date) -> Duration { now + .milliseconds(Int64(max(-1e12, min(1e12, date.timeIntervalSince(wall) * 1000)))) }
        budget.restore(
            learned: record.learned, heldUntil: record.heldUntil.map(time), lastHold: record.lastHold,
            uses: record.uses.map { (time($0.time), $0.count) }, at: now)
        if let outage = record.outage, let cause = Breaker.Cause(rawValue: outage.cause) {
            reason = outage.reason
            breaker.restore(cause, since: min(now, time(outage.since)), until: time(outage.until), openings: outage.openings)
        }
    }
}
