import Dispatch

/// An actor that lives on a lane: its work, which may block, keeps no thread of Swift's own pool.
///
///     actor Store: LaneActor {
///         nonisolated let lane = SerialLane(label: "store")
///     }
public protocol LaneActor: Actor {
    nonisolated var lane: SerialLane { get }
}

extension LaneActor {
    public nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }
}

extension SerialLane: SerialExecutor {
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
