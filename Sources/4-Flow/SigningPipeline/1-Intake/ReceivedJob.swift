import FoundationEssentials
import SigningModel

/// A record that has its place in the window: the flow begins here.
struct ReceivedJob: Sendable {
    let place: Place
    let record: JobRecord
    /// When this worker first read it; `expires` is judged as of this moment.
    let received: Date

    fileprivate init(place: Place, record: JobRecord, received: Date) {
        self.place = place
        self.record = record
        self.received = received
    }
}

extension InFlightWindow {
    /// Gives a record its place, behind those of its partition that came before.
    mutating func admit(_ record: JobRecord, at now: Date) -> ReceivedJob {
        ReceivedJob(place: place(record), record: record, received: now)
    }
}

/// Where a job stands in the window of a partition.
///
/// A partition that is lost and taken again gets a new `generation`, so that what was in flight before cannot settle
/// into the new window.
struct Place: Sendable, Hashable {
    let partition: Partition
    let offset: Offset
    let generation: Int
}
