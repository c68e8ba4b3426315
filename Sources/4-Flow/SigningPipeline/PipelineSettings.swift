/// The bounds of a pipeline. Memory follows from them, not from the backlog.
public struct PipelineSettings: Sendable {
    /// Jobs between intake and publication, all partitions together (`limits.in-flight`).
    public var inFlightMax = 4096
    /// The same for one partition, so that a slow one does not take the place of the others.
    public var partitionInFlightMax = 4096
    /// Results in one batch (`limits.batch-results`).
    public var batchResultsMax = 500
    /// Bytes of results in one batch (`limits.batch-bytes`); the result that passes it is the batch's last.
    public var batchBytesMax = 1 << 20
    /// How long a finished result waits for others at most (`limits.batch-wait`).
    public var batchWaitMax: Duration = .milliseconds(200)
    /// The longest pause between two tries of something that is away.
    public var retryPauseMax: Duration = .seconds(10)
    /// How long a drain may take; what is not published then is signed anew by the partition's next owner.
    public var drainMax: Duration = .seconds(60)
    /// After how long without a key that signs a stream's partitions are given up to other workers; nil: never.
    public var giveUpAfter: Duration?
    /// After how long without a promise of a time-stamp they are given up; nil: never.
    public var stampDeadline: Duration?
    /// End when the log has no more jobs, instead of waiting for new ones.
    public var endsWithLog = false

    public init() {}
}
