import SigningModel

/// How many documents have which result. Of a package each document is known, so that one that was refused, came again and was signed
/// counts as signed; of a whole stream, which has no end, the results are counted.
struct ResultCount {
    private enum Outcome { case signed, refused }

    let isPackage: Bool
    private var others = (signed: 0, refused: 0)
    private var outcomes: [String: Outcome] = [:]
    private var indices: Set<Int64> = []
    /// How many documents the package has; nil before its first result.
    private(set) var count: Int?

    init(isPackage: Bool) { self.isPackage = isPackage }

    var signed: Int { others.signed + outcomes.values.count { $0 == .signed } }
    var refused: Int { others.refused + outcomes.values.count { $0 == .refused } }
    var settled: Int { isPackage ? outcomes.count : others.signed + others.refused }
    var isEmpty: Bool { settled == 0 }
    var isComplete: Bool { count.map { indices.count >= $0 } ?? false }

    mutating func note(_ result: JobResult) {
        guard isPackage else {
            switch result.outcome {
            case .signed: others.signed += 1
            case .refused: others.refused += 1
            case .duplicate: break
            }
            return
        }
        if let package = result.package { count = Int(package.count) }
        let id = result.job ?? "\(result.source)"
        switch result.outcome {
        case .signed: outcomes[id] = .signed
        case .refused: if outcomes[id] == nil { outcomes[id] = .refused }
        case .duplicate: return
        }
        if let package = result.package { indices.insert(package.index) }
    }
}
