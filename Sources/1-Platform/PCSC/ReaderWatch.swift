internal import Dispatch
internal import Glibc
internal import OperatingSystem

/// What a `ReaderWatch` saw. Readers by name, as pcscd gives it (at most 127 bytes; two readers of one make differ in their last digits).
public enum ReaderEvent: Sendable, Hashable {
    case readerAppeared(String)
    /// Its card, if it had one, was removed before.
    case readerVanished(String)
    /// - answerToReset: the card's ATR (ISO/IEC 7816-3), 2 to 33 bytes; empty when it gives none, broken or the wrong way round.
    case cardInserted(reader: String, answerToReset: [UInt8])
    case cardRemoved(reader: String)
    /// pcscd answers; readers and cards that are there follow.
    case serviceFound
    /// pcscd does not answer; told once, after the last of its readers vanished. It is tried again until it does.
    case serviceLost(PCSCError)
}

/// Watches the smart card readers of this machine and tells of cards and readers that come and go, as long as it lives.
///
/// It has a thread of its own, which sleeps in SCardGetStatusChange. pcscd may be absent, be killed or be started again at any time: that is
/// told and waited out. What was there from the start is told first. pcscd looks at most readers every 400 ms, so that news are about that old.
public final class ReaderWatch: Sendable {
    public struct Settings: Sendable {
        /// Between two attempts to reach a service that is away: this long at first, then twice as long each time,
        public var pauseMin: Duration = .milliseconds(250)
        /// up to this long.
        public var pauseMax: Duration = .seconds(10)
        /// How often the readers are listed without cause: one that comes while they are being listed would else be missed.
        public var listInterval: Duration = .seconds(5)

        public init() {}
    }

    private let loop: WatchLoop

    /// Starts the thread.
    ///
    /// - Parameter handler: is called by the thread, for one event after the other; while it works nothing is watched.
    /// - Throws: where no thread can be started. That there is no service is an event.
    public init(_ settings: Settings = Settings(), handler: @escaping @Sendable (ReaderEvent) -> Void) throws(PCSCError) {
        let loop = WatchLoop(settings, handler)
        try startThread { loop.run() }
        self.loop = loop
    }

    deinit { loop.stop(waiting: nil) }

    /// Ends the watch; no event comes after this returned. A service that hangs is waited for two seconds, then its thread is left to it.
    public func stop() async {
        await withCheckedContinuation { continuation in loop.stop { continuation.resume() } }
    }
}

/// The watch's thread and what others share with it.
private final class WatchLoop: Sendable {
    private struct Shared {
        var isStopping = false
        var hasEnded = false
        /// While the thread may wait in it.
        var context: Context.Handle?
    }

    private let settings: ReaderWatch.Settings
    private let handler: @Sendable (ReaderEvent) -> Void
    private let shared = Locked(Shared())
    /// Signalled once, when the loop shall end.
    private let wake = DispatchSemaphore(value: 0)

    init(_ settings: ReaderWatch.Settings, _ handler: @escaping @Sendable (ReaderEvent) -> Void) {
        (self.settings, self.handler) = (settings, handler)
    }

    // MARK: From any thread

    /// - Parameter done: is called when the thread ended, or after two seconds.
    func stop(waiting done: (@Sendable () -> Void)?) {
        let isFirst = shared.withLock { shared in
            defer { shared.isStopping = true }
            return !shared.isStopping
        }
        if isFirst { wake.signal() }
        let end = ContinuousClock.now + .seconds(2)
        let start: ()? = try? startThread {
            // A thread of its own: SCardCancel may hang with the service. Again and again, because it does nothing to a wait that has not begun.
            let canceller: ()? = try? startThread { [self] in while cancelWait() { usleep(5000) } }
            while canceller != nil, !self.shared.withLock({ $0.hasEnded }), ContinuousClock.now < end { usleep(2000) }
            done?()
        }
        // Out of threads: the watch ends by itself at its next look at the readers
        if start == nil { done?() }
    }

    /// False when there is nothing left to cancel.
    private func cancelWait() -> Bool {
        let (context, hasEnded) = shared.withLock { ($0.context, $0.hasEnded) }
        // A context that is released meanwhile is unknown to the library, which does nothing then
        if let context, !hasEnded { Context.cancel(context) }
        return !hasEnded
    }

    // MARK: The thread's side

    private var isStopping: Bool { shared.withLock { $0.isStopping } }

    func run() {
        var known = KnownReaders()
        var pause = settings.pauseMin
        var isLossTold = false
        while !isStopping {
            let start = ContinuousClock.now
            do throws(PCSCError) {
                try watch(&known, &isLossTold)
            } catch {
                tell(known.forgetAll())
                if !isLossTold { tell([.serviceLost(error)]) }
                isLossTold = true
                // What is gone again at once is not asked more often for having been there
                if ContinuousClock.now - start > settings.pauseMax { pause = settings.pauseMin }
                sleep(pause)
                pause = min(pause * 2, settings.pauseMax)
            }
        }
        shared.withLock { $0.hasEnded = true }
    }

    /// Tells what happens until the watch is to end, or the service is gone.
    private func watch(_ known: inout KnownReaders, _ isLossTold: inout Bool) throws(PCSCError) {
        let context = try Context()
        shared.withLock { $0.context = context.handle }
        defer { shared.withLock { $0.context = nil } }
        var isNew = true
        while !isStopping {
            let names = try context.readerNames()
            if isNew { tell([.serviceFound]) }
            (isNew, isLossTold) = (false, false)
            tell(known.list(names))
            let asked = known.all
            let start = ContinuousClock.now
            var events: [ReaderEvent] = []
            if let statuses = try context.wait(asked, timeout: settings.listInterval) {
                for (reader, status) in zip(asked, statuses) { events += known.note(status, of: reader.name) }
                tell(events)
            }
            // Woken for nothing that is told here: not more often than fifty times a second
            let isWoken = events.isEmpty && !asked.contains { $0.status == nil }
            if isWoken, ContinuousClock.now - start < .milliseconds(20) { sleep(.milliseconds(20)) }
        }
    }

    private func tell(_ events: [ReaderEvent]) {
        for event in events where !isStopping { handler(event) }
    }

    /// Ends early when the watch is to end.
    private func sleep(_ pause: Duration) {
        let nanoseconds = pause.components.seconds * 1_000_000_000 + pause.components.attoseconds / 1_000_000_000
        if wake.wait(timeout: .now() + .nanoseconds(Int(nanoseconds))) == .success { wake.signal() }
    }
}

/// Runs a body on a thread of its own, on which no signal is handled.
private func startThread(_ body: @escaping @Sendable () -> Void) throws(PCSCError) {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(ThreadBody(body))
    let result = pthread_create(&thread, nil, runBody, context.toOpaque())
    guard result == 0 else {
        context.release()
        throw PCSCError.noThread(result)
    }
    pthread_detach(thread)
}

private final class ThreadBody {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

private func runBody(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    var all = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, nil)
    Unmanaged<ThreadBody>.fromOpaque(context!).takeRetainedValue().body()
    return nil
}
