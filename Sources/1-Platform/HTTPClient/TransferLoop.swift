import CCurl
import Glibc
import OperatingSystem

/// The thread that owns libcurl's multi handle, and the inbox through which everyone else speaks to it.
final class TransferLoop: @unchecked Sendable {
    // Sendable: the inbox is locked; the multi handle is used outside its thread only for curl_multi_wakeup, which libcurl allows
    // from any thread, and only under the inbox's lock while `isOpen`, that is before the thread frees the handle.
    private struct Inbox {
        var isOpen = true
        var isStopping = false
        var lastID: UInt64 = 0
        var submissions: [Submission] = []
        var cancellations: [UInt64] = []
        var stopWaiters: [CheckedContinuation<Void, Never>] = []
    }

    private let multi: UnsafeMutableRawPointer
    private let inbox = Locked(Inbox())

    init(_ settings: HTTPClient.Settings) throws(HTTPError) {
        guard globalInitialisation == CURLE_OK, let multi = curl_multi_init() else {
            throw HTTPError(.other, at: "", code: Int32(globalInitialisation.rawValue), reason: "libcurl did not start")
        }
        self.multi = multi
        ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, settings.inFlightMax)
        var thread = pthread_t()
        let context = Unmanaged.passRetained(Thread(loop: self, settings: settings))
        let result = pthread_create(&thread, nil, runLoop, context.toOpaque())
        guard result == 0 else {
            context.release()
            curl_multi_cleanup(multi)
            throw HTTPError(.other, at: "", reason: "no thread could be started (errno \(result))")
        }
        pthread_detach(thread)
    }

    func makeID() -> UInt64 {
        inbox.withLock { inbox in
            inbox.lastID += 1
            return inbox.lastID
        }
    }

    func submit(_ submission: Submission) {
        let isAccepted = inbox.withLock { inbox in
            guard inbox.isOpen, !inbox.isStopping else { return false }
            inbox.submissions.append(submission)
            wake(inbox)
            return true
        }
        if !isAccepted { submission.refuse() }
    }

    func cancel(_ id: UInt64) {
        inbox.withLock { inbox in
            guard inbox.isOpen else { return }
            inbox.cancellations.append(id)
            wake(inbox)
        }
    }

    func stop(resuming waiter: CheckedContinuation<Void, Never>? = nil) {
        let isGone = inbox.withLock { inbox in
            guard inbox.isOpen else { return true }
            inbox.isStopping = true
            if let waiter { inbox.stopWaiters.append(waiter) }
            curl_multi_wakeup(multi)
            return false
        }
        if isGone { waiter?.resume() }
    }

    /// Wakes the thread for the first letter only: it takes all there are, and a wake-up is a system call.
    private func wake(_ inbox: borrowing Inbox) {
        if inbox.submissions.count + inbox.cancellations.count == 1 { curl_multi_wakeup(multi) }
    }

    // MARK: the thread's side

    /// What only the thread touches.
    fileprivate final class Thread {
        let loop: TransferLoop
        let settings: HTTPClient.Settings
        var waiting = WaitingLine()
        var active: [UInt64: Transfer] = [:]
        var idle: [Transfer] = []

        init(loop: TransferLoop, settings: HTTPClient.Settings) {
            (self.loop, self.settings) = (loop, settings)
        }

        func run() {
            while takeLetters() {
                startWaiting()
                var running: Int32 = 0
                curl_multi_perform(loop.multi, &running)
                // What finished made room: those that take it are sent at once, before the thread sleeps
                if finishDone(), !waiting.isEmpty { continue }
                // libcurl wakes earlier for its own time-outs; a minute is for its house-keeping of idle connections
                curl_multi_poll(loop.multi, nil, 0, 60_000, nil)
            }
            leave()
        }

        /// False when the loop shall end.
        private func takeLetters() -> Bool {
            let (submissions, cancellations, isStopping) = loop.inbox.withLock { inbox in
                defer { (inbox.submissions, inbox.cancellations) = ([], []) }
                return (inbox.submissions, inbox.cancellations, inbox.isStopping)
            }
            for submission in submissions { waiting.append(submission) }
            for id in cancellations {
                if let submission = waiting.remove(id) {
                    submission.refuse(.cancelled, "the request was cancelled before it was sent")
                } else if let transfer = active.removeValue(forKey: id) {
                    curl_multi_remove_handle(loop.multi, transfer.handle)
                    transfer.finish(.cancelled, "the request was cancelled")
                    idle.append(transfer)
                }
            }
            return !isStopping
        }

        private func startWaiting() {
            while active.count < settings.inFlightMax, let submission = waiting.popFirst() {
                guard let transfer = idle.popLast() ?? Transfer(settings) else {
                    submission.refuse(.other, "out of memory")
                    continue
                }
                transfer.prepare(submission)
                let code = curl_multi_add_handle(loop.multi, transfer.handle)
                if code == CURLM_OK {
                    active[submission.id] = transfer
                } else {
                    transfer.finish(.other, String(cString: curl_multi_strerror(code)))
                    idle.append(transfer)
                }
            }
        }

        /// Whether any had finished.
        private func finishDone() -> Bool {
            var hasFinished = false
            var left: Int32 = 0
            while let message = curl_multi_info_read(loop.multi, &left) {
                guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
                // Read before the handle is removed: the message goes with it
                let code = message.pointee.data.result
                var context: UnsafeMutableRawPointer?
                ccurl_get_pointer(handle, CURLINFO_PRIVATE, &context)
                let transfer = transfer(context)
                curl_multi_remove_handle(loop.multi, handle)
                if let id = transfer.submission?.id { active[id] = nil }
                transfer.finish(code)
                idle.append(transfer)
                hasFinished = true
            }
            return hasFinished
        }

        private func leave() {
            let (letters, waiters) = loop.inbox.withLock { inbox in
                inbox.isOpen = false
                defer { (inbox.submissions, inbox.stopWaiters) = ([], []) }
                return (inbox.submissions, inbox.stopWaiters)
            }
            for submission in letters { submission.refuse() }
            while let submission = waiting.popFirst() { submission.refuse() }
            for transfer in active.values {
                curl_multi_remove_handle(loop.multi, transfer.handle)
                transfer.finish(.closed, closedReason)
            }
            active = [:]
            idle = []
            curl_multi_cleanup(loop.multi)
            for waiter in waiters { waiter.resume() }
        }
    }
}

/// First come, first served; whoever is cancelled leaves a gap that is skipped.
private struct WaitingLine {
    private var order: [UInt64] = []
    private var first = 0
    private var submissions: [UInt64: Submission] = [:]

    var isEmpty: Bool { submissions.isEmpty }

    mutating func append(_ submission: Submission) {
        order.append(submission.id)
        submissions[submission.id] = submission
    }

    mutating func remove(_ id: UInt64) -> Submission? { submissions.removeValue(forKey: id) }

    mutating func popFirst() -> Submission? {
        while first < order.count {
            let id = order[first]
            first += 1
            if first > 1024, first * 2 > order.count {
                order.removeFirst(first)
                first = 0
            }
            if let submission = submissions.removeValue(forKey: id) { return submission }
        }
        (order, first) = ([], 0)
        return nil
    }
}

extension Submission {
    fileprivate func refuse(_ kind: HTTPError.Kind = .closed, _ reason: String = closedReason) {
        continuation.resume(returning: .failure(HTTPError(kind, at: request.address.description, reason: reason)))
    }
}

private let closedReason = "the HTTP client was closed"

/// Once a process, before any other call of libcurl; Swift makes a global's first use safe for threads.
private let globalInitialisation = curl_global_init(Int(CURL_GLOBAL_ALL))

private func runLoop(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    // Signals are for other threads; a broken pipe is an error that libcurl reports
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, nil)
    Unmanaged<TransferLoop.Thread>.fromOpaque(context!).takeRetainedValue().run()
    return nil
}
