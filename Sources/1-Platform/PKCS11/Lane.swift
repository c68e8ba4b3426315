internal import Dispatch
internal import Glibc
internal import Synchronization

/// A serial queue and the one session that only this queue touches.
///
/// Sendable: `session` is touched on `queue` only.
final class Lane: @unchecked Sendable {
    let queue: DispatchQueue
    private let token: Token
    private let pauses: [Duration]
    private let onLoss: @Sendable (PKCS11Error) -> Void
    private var session: Session?
    private let open = Atomic(false)

    enum Outcome<R> {
        case done(Result<R, PKCS11Error>)
        /// The token has no session to give; the body has not run, or has to run again.
        case noSession(PKCS11Error)
    }

    init(token: Token, label: String, pauses: [Duration], onLoss: @escaping @Sendable (PKCS11Error) -> Void) {
        self.token = token
        self.pauses = pauses
        self.onLoss = onLoss
        queue = DispatchQueue(label: label)
    }

    /// Whether the lane has a session or is about to open one; asked from any thread. Of several lanes that are refused one, the last to be
    /// refused counts right.
    var hasSession: Bool { open.load(ordering: .relaxed) }

    func closeSession() {
        session = nil
        open.store(false, ordering: .relaxed)
    }

    /// The body with this lane's session, again where the error's advice is to try again; see `SessionPool.run`.
    func perform<R>(_ body: (borrowing Session) throws(PKCS11Error) -> R) -> Outcome<R> {
        dispatchPrecondition(condition: .onQueue(queue))
        var losses = 0
        var retries = 0
        var isFresh = false
        while true {
            let epoch = token.epoch
            let failure: PKCS11Error
            switch once(body, epoch: epoch) {
            case .answered(let answer): return .done(.success(answer))
            case .unopened(let shortage) where shortage.isSessionShortage: return .noSession(shortage)
            case .unopened(let error), .failed(let error): failure = error
            }
            switch failure.advice {
            case .retry:
                guard retries < pauses.count else { return .done(.failure(failure)) }
                pause(pauses[retries])
                retries += 1
            case .reopenSession where failure.isOfSessionAlone && !isFresh:
                isFresh = true
                onLoss(failure)
            case .reopenSession, .logInAgain:
                guard losses < 2 else { return .done(.failure(failure)) }
                losses += 1
                onLoss(failure)
                do throws(PKCS11Error) { try token.restore(after: epoch) } catch {
                    // That the token is nowhere says less than what it answered when it went.
                    if case .tokenNotFound = error.fault { return .done(.failure(failure)) }
                    return .done(.failure(error))
                }
            case .takeOutOfService:
                token.takeOutOfService(failure)
                return .done(.failure(failure))
            case .stop: return .done(.failure(failure))
            }
        }
    }

    private enum Attempt<R> {
        case answered(R)
        case unopened(PKCS11Error)
        case failed(PKCS11Error)
    }

    /// The session is kept for the next batch unless the body failed: then what state it is in is anybody's guess, except where the
    /// standard says that nothing has changed (`Advice.retry`).
    private func once<R>(_ body: (borrowing Session) throws(PKCS11Error) -> R, epoch: Int) -> Attempt<R> {
        let session: Session
        if let kept = self.session.take(), kept.epoch == epoch {
            session = kept
        } else {
            open.store(true, ordering: .relaxed)
            do throws(PKCS11Error) { session = try token.openSession() } catch {
                open.store(false, ordering: .relaxed)
                return .unopened(error)
            }
        }
        do throws(PKCS11Error) {
            let answer = try body(session)
            self.session = consume session
            return .answered(answer)
        } catch {
            if error.advice == .retry { self.session = consume session } else { open.store(false, ordering: .relaxed) }
            return .failed(error)
        }
    }
}

/// Sleeps on this thread, which must not be one of Swift's own.
func pause(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    usleep(useconds_t(clamping: seconds * 1_000_000 + attoseconds / 1_000_000_000_000))
}
