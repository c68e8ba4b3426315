import SigningModel

/// Which of the jobs that retention deleted have a result: the others were deleted before anybody read them.
///
/// Results stand in the order of their jobs, so what is kept is the gaps alone.
struct DeletedJobs {
    /// Where what can be judged begins; nil until a result has told it.
    private(set) var start: Offset?
    private var next: Offset
    private var gaps: [Range<Offset>] = []

    enum Place {
        case inOrder
        /// Behind the result of a later job.
        case late
        /// The job has a result already.
        case taken
    }

    /// - Parameter isFromStart: no result was deleted, so that every job from offset 0 on has to have one.
    init(isFromStart: Bool) {
        start = isFromStart ? Offset(0) : nil
        next = Offset(0)
    }

    mutating func note(_ source: Offset) -> Place {
        if start == nil { (start, next) = (source, source) }
        if source >= next {
            if source > next { gaps.append(next..<source) }
            next = source.next
            return .inOrder
        }
        guard source >= start! else { return .late }
        guard let index = gaps.firstIndex(where: { $0.contains(source) }) else { return .taken }
        let gap = gaps.remove(at: index)
        gaps.insert(contentsOf: [gap.lowerBound..<source, source.next..<gap.upperBound].filter { !$0.isEmpty }, at: index)
        return .late
    }

    /// The jobs without a result, as far as that can be known.
    func withoutResult(before firstJob: Offset) -> [Range<Offset>] {
        guard start != nil, next < firstJob else { return gaps }
        return gaps + [next..<firstJob]
    }
}
