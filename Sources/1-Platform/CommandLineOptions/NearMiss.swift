/// The candidate that a person most likely meant: few slips away (a letter wrong, missing, added, or two swapped), or the only one
/// that begins like the word.
func nearest(to word: String, among candidates: [String]) -> String? {
    let word = word.lowercased()
    let ranked = candidates.map { (candidate: $0, slips: slips(Array(word), Array($0.lowercased()))) }
    if let best = ranked.min(by: { $0.slips < $1.slips }), best.slips <= max(1, best.candidate.count / 3) { return best.candidate }
    let longer = candidates.filter { word.count > 1 && $0.lowercased().hasPrefix(word) }
    return longer.count == 1 ? longer[0] : nil
}

/// Optimal string alignment distance.
private func slips(_ one: [Character], _ other: [Character]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...other.count)
    for row in 0..<one.count {
        var current = [row + 1]
        for column in 0..<other.count {
            var cost = min(last[column] + (one[row] == other[column] ? 0 : 1), last[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, one[row] == other[column - 1], one[row - 1] == other[column] {
                cost = min(cost, beforeLast[column - 1] + 1)
            }
            current.append(cost)
        }
        beforeLast = last
        last = current
    }
    return last[other.count]
}
