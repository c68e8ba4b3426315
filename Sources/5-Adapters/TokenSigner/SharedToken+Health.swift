import Log
import OperatingSystem
import PKCS11
import SigningPipeline

/// Why a call to the token failed, and what that says.
struct TokenFailure: Error {
    enum Scope: Sendable {
        /// The token as a whole does not sign.
        case token
        /// The token is well; this key, or what was asked of it, is not.
        case key
        /// The key made signatures that its certificate does not verify.
        case mismatch
    }

    let error: SignerError
    let scope: Scope
}

/// What is known of one key.
struct KeyHealth {
    enum Verdict {
        case unproven, proven
        case failing(SignerError)
        case suspect(SignerError)
    }

    var verdict = Verdict.unproven
    /// The token's `trust` when the key proved itself.
    var trust = 0
    /// It has proved itself at some time, so configuration is right.
    var wasProven = false
    /// How often it was probed since it last signed well.
    var probes = 0
    /// The epoch of its last wrong signature, until it has proved itself again.
    var doubtedEpoch: Int?
    weak var signer: TokenSigner?

    var isSuspect: Bool { if case .suspect = verdict { true } else { false } }
}

extension SharedToken.State {
    /// The worst that is known: of the token, then of its keys.
    var reported: (state: TokenState, error: SignerError?) {
        if let outage { return (outage.state, outage.error) }
        var failing: SignerError?
        for key in keys.values where key.signer != nil {
            switch key.verdict {
            case .suspect(let error): return (.suspect, error)
            case .failing(let error): failing = error
            case .unproven, .proven: break
            }
        }
        return failing.map { (.failing, $0) } ?? (.up, nil)
    }
}

extension SharedToken {
    /// A number for a key, to speak of it later.
    func register() -> Int {
        state.withLock { state in
            state.keys = state.keys.filter { $0.value.signer != nil }
            state.lastKey += 1
            return state.lastKey
        }
    }

    func update(_ key: Int, _ change: (inout KeyHealth) -> Void) {
        update { change(&$0.keys[key, default: KeyHealth()]) }
    }

    func forget(_ key: Int) { update { $0.keys[key] = nil } }

    func health(_ key: Int) -> KeyHealth { state.withLock { $0.keys[key] ?? KeyHealth() } }

    /// Why the key may not sign now.
    func obstacle(_ key: Int) -> SignerError? {
        state.withLock { state in
            if let outage = state.outage { return outage.error }
            let health = state.keys[key] ?? KeyHealth()
            switch health.verdict {
            case .proven where health.trust == state.trust: return nil
            case .proven, .unproven:
                return SignerError(token: name, reason: "the key has to prove itself first", remedy: "", isPermanent: false)
            case .failing(let error), .suspect(let error): return error
            }
        }
    }

    // MARK: - What happened

    /// A call failed in a way that says something of the whole token.
    ///
    /// - Parameter isOpening: whether the token was being opened, found or asked for itself; then every failure is its own.
    func wentOut(_ error: PKCS11Error, isOpening: Bool = false) -> TokenFailure {
        if case .closed = error.fault { return TokenFailure(error: Self.closed(name), scope: .token) }
        let (module, wasOpen) = state.withLock { ($0.module, $0.pool != nil) }
        let isLockedOut = error.advice == .takeOutOfService || module?.outOfService(label: settings.label) != nil
        if error.advice == .stop, !isLockedOut, !isOpening {
            return TokenFailure(error: SignerError(error, token: name, isPermanent: true), scope: .key)
        }
        var failure = SignerError(error, token: name, isPermanent: isLockedOut || error.advice == .stop && !wasOpen)
        if isLockedOut, failure.remedy.isEmpty {
            failure.remedy = "The PIN was tried once and is not tried again by itself: check it and start again."
        }
        let outage = Outage(state: isLockedOut ? .lockedOut : error.isAbsence ? .away : .failing, error: failure)
        update { state in
            guard !state.isClosed else { return }
            if state.outage == nil { state.trust += 1 }
            state.outage = outage
            state.finder.forgetTrial()
        }
        return TokenFailure(error: failure, scope: .token)
    }

    /// The key has proved itself.
    ///
    /// - Parameter trust: the token's when the proof began: what went wrong meanwhile counts against the key.
    func proved(_ signer: TokenSigner, _ trust: Int) {
        update { state in
            if !state.isClosed { state.outage = nil }
            var health = state.keys[signer.number] ?? KeyHealth()
            health.signer = signer
            health.verdict = .proven
            health.wasProven = true
            health.trust = trust
            health.doubtedEpoch = nil
            state.keys[signer.number] = health
        }
    }

    /// The token was opened, and the first key that was asked of it does not sign: until one does, that is what is shown.
    func didNotBegin(_ error: SignerError) {
        update { if !$0.isClosed, $0.outage != nil { $0.outage = Outage(state: .failing, error: error) } }
    }

    /// Writes down what a failure says of a key: one that was right once is waited for, whatever it does now.
    ///
    /// - Returns: the failure as its caller sees it.
    func failed(_ key: Int, _ failure: TokenFailure) -> TokenFailure {
        // The whole token's failures are written down already.
        guard failure.scope != .token else { return failure }
        var error = failure.error
        if health(key).wasProven { error.isPermanent = false }
        update { state in
            if !state.isClosed { state.outage = nil }
            guard let health = state.keys[key], health.wasProven else { return }
            if failure.scope == .mismatch {
                state.keys[key]?.verdict = .suspect(error)
            } else if !health.isSuspect {
                state.keys[key]?.verdict = .failing(error)
            }
        }
        return TokenFailure(error: error, scope: failure.scope)
    }

    /// A signature made in this epoch was wrong. Nothing is signed with the token before its keys have proved themselves anew.
    func distrust(_ key: Int, epoch: Int, _ error: SignerError) {
        metrics.mismatch()
        let isNew = !health(key).isSuspect
        if isNew { log.error("token-wrong-signature", error.reason) }
        update { state in
            if isNew { state.trust += 1 }
            state.keys[key, default: KeyHealth()].verdict = .suspect(error)
            state.keys[key]?.doubtedEpoch = epoch
            state.finder.forgetTrial()
        }
    }

    /// The key signed and was right.
    func trusted(_ key: Int) { state.withLock { $0.keys[key]?.probes = 0 } }

    /// - Returns: the signers that are out.
    func restartPauses() -> [TokenSigner] {
        let signers = state.withLock { state in
            if state.outage?.error.isPermanent == true { return [TokenSigner]() }
            for key in state.keys.keys { state.keys[key]!.probes = min(1, state.keys[key]!.probes) }
            return state.keys.values.compactMap(\.signer)
        }
        return signers.filter { !$0.isIn }
    }

    /// Changes the state, and says so where what is reported has changed.
    private func update(_ change: (inout State) -> Void) {
        let news: (state: TokenState, error: SignerError?)? = state.withLock { state in
            change(&state)
            guard !state.isClosed else { return nil }
            let now = state.reported
            defer { state.shown = now.state }
            return state.shown == now.state ? nil : now
        }
        guard let (state, error) = news else { return }
        metrics.set(healthy: state == .up)
        let fields = [("state", LogValue(state.rawValue))]
        switch state {
        case .up: log.info("token-up", "", fields)
        case .away, .failing: log.warning("token-out", error?.description ?? "", fields)
        case .suspect, .lockedOut: log.error("token-out", error?.description ?? "", fields)
        }
    }
}

extension SignerError {
    init(_ error: PKCS11Error, token: String, isPermanent: Bool) {
        let isMisfit =
            switch error.fault {
            case .keyNotFound, .keyAmbiguous: true
            default: false
            }
        self.init(token: token, reason: "\(error)", remedy: error.remedy, isPermanent: isPermanent, isMisfit: isMisfit)
    }
}
