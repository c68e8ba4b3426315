import SigningModel

/// The jobs of one partition that were signed lately: the window in which an id is known again.
///
/// A ring of entries in the order of their offsets, 32 bytes each, and an index from id to place in the ring, open addressing with
/// linear probing, 4 bytes a slot and at most half full: 40 to 48 bytes a job, 2.1 MB for a window of 50,000. Both grow as needed,
/// so that a partition with few jobs costs little.
struct KnownJobs {
    struct Entry: Equatable {
        var offset: Offset
        var fingerprint: JobFingerprint
    }

    /// How many offsets back a job is known.
    let window: Int
    private(set) var count = 0
    private var ring: [Slot] = []
    private var head = 0
    /// The place in the ring plus one; 0 is free.
    private var index: [UInt32] = []
    /// The job record that was dealt with last, signed or not. Offsets in the ring are the lower halves of numbers up to this.
    private var last = Offset(-1)

    fileprivate struct Slot {
        var id: JobIDDigest
        var content: ContentDigest
        var offset: UInt32
    }

    init(window: Int) {
        precondition(window > 0 && window < 1 << 31)
        self.window = window
    }

    /// What ring and index take.
    var byteCount: Int { ring.capacity * MemoryLayout<Slot>.stride + index.capacity * MemoryLayout<UInt32>.stride }

    /// Where this id was signed last, within the window, and for what.
    func entry(_ id: JobIDDigest) -> Entry? {
        guard let slot = slot(of: id) else { return nil }
        let found = ring[Int(index[slot]) - 1]
        return Entry(offset: offset(found), fingerprint: JobFingerprint(id: id, content: found.content))
    }

    /// Adds what a transaction did, behind everything that is there; what falls out of the window is forgotten. What does not stand
    /// behind is passed over.
    mutating func add(_ record: LedgerRecord) {
        guard record.to > last else { return }
        let oldest = max(last.next.rawValue, record.to.rawValue - Int64(window) + 1)
        last = record.to
        forget(before: record.to.rawValue - Int64(window) + 1)
        for entry in record.signed where entry.offset.rawValue >= oldest { insert(entry) }
    }

    private mutating func insert(_ entry: Entry) {
        if count == ring.count { grow() }
        let place = (head + count) % ring.count
        ring[place] = Slot(
            id: entry.fingerprint.id, content: entry.fingerprint.content, offset: UInt32(truncatingIfNeeded: entry.offset.rawValue))
        count += 1
        enter(place)
    }

    private mutating func forget(before oldest: Int64) {
        while count > 0, offset(ring[head]).rawValue < oldest {
            // The id may have been signed again since, out of the window's reach at that time; then the index points further on.
            if let slot = slot(of: ring[head].id), index[slot] == UInt32(head + 1) { vacate(slot) }
            head = (head + 1) % ring.count
            count -= 1
        }
    }

    private func offset(_ slot: Slot) -> Offset { Offset(last.rawValue - Int64(UInt32(truncatingIfNeeded: last.rawValue) &- slot.offset)) }

    // MARK: - The index

    private func home(_ id: JobIDDigest) -> Int { id.hashValue & (index.count - 1) }

    private func slot(of id: JobIDDigest) -> Int? {
        guard count > 0 else { return nil }
        var slot = home(id)
        while index[slot] != 0 {
            if ring[Int(index[slot]) - 1].id == id { return slot }
            slot = (slot + 1) & (index.count - 1)
        }
        return nil
    }

    private mutating func enter(_ place: Int) {
        var slot = home(ring[place].id)
        while index[slot] != 0, ring[Int(index[slot]) - 1].id != ring[place].id { slot = (slot + 1) & (index.count - 1) }
        index[slot] = UInt32(place + 1)
    }

    /// Frees a slot and moves back those behind it that would not be found any more.
    private mutating func vacate(_ slot: Int) {
        let mask = index.count - 1
        var hole = slot
        var next = (slot + 1) & mask
        while index[next] != 0 {
            let distance = (next - home(ring[Int(index[next]) - 1].id)) & mask
            if distance >= (next - hole) & mask {
                index[hole] = index[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        index[hole] = 0
    }

    private mutating func grow() {
        let capacity = min(max(64, ring.count * 2), window)
        var larger: [Slot] = []
        larger.reserveCapacity(capacity)
        for place in 0..<count { larger.append(ring[(head + place) % ring.count]) }
        larger.append(contentsOf: repeatElement(Slot.free, count: capacity - count))
        ring = larger
        head = 0
        var slots = 128
        while slots < 2 * capacity { slots *= 2 }
        index = Array(repeating: 0, count: slots)
        for place in 0..<count { enter(place) }
    }
}

extension KnownJobs.Slot {
    fileprivate static let free = KnownJobs.Slot(
        id: JobIDDigest(bytes: Array(repeating: 0, count: JobIDDigest.byteCount))!,
        content: ContentDigest(bytes: Array(repeating: 0, count: ContentDigest.byteCount))!, offset: 0)
}
