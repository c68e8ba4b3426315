import Dispatch

/// An actor may live on a lane: then its work, which may block, keeps no thread of Swift's own pool.
///
///     actor Store {
///         private nonisolated let lane = SerialLane(label: "store")
///         nonisolated var unownedExecutor: UnownedSerialExecutor { lane.asUnownedSerialExecutor() }
///     }
extension SerialLane: SerialExecutor {
    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}
