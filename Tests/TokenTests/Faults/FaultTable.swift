import PKCS11

/// What the matrix measured, as the table of docs/token-faults.md: one row a code.
struct FaultTable {
    let outcomes: [FaultCase: FaultOutcome]

    /// Lines of Markdown, each ended.
    var markdown: String {
        let values = Set(outcomes.keys.map(\.value)).sorted { $0.rawValue < $1.rawValue }
        return "| code | advice | from the start | while jobs are signed |\n|---|---|---|---|\n" + values.map { row($0) + "\n" }.joined()
    }

    private func row(_ value: ReturnValue) -> String {
        let cells = FaultCase.Moment.allCases.map { cell(value, $0) }
        return "| `\(value.name)`: \(value.sentence) | \(value.advice.rawValue) | \(cells.joined(separator: " | ")) |"
    }

    /// What happened at most calls, then what happened elsewhere and where.
    private func cell(_ value: ReturnValue, _ moment: FaultCase.Moment) -> String {
        var places: [String: Set<String>] = [:]
        for call in FaultCase.calls {
            guard let outcome = outcomes[FaultCase(value: value, call: call, moment: moment)], outcome.fate != .notCalled else { continue }
            places[outcome.words, default: []].insert(call)
        }
        let sorted = places.sorted { ($1.value.count, $0.key) < ($0.value.count, $1.key) }
        let others = sorted.dropFirst().map { "\(Self.names($0.value)): \($0.key)" }
        return ([sorted.first?.key ?? "not called"] + others).joined(separator: "; ")
    }

    private static func names(_ calls: Set<String>) -> String {
        var left = calls
        var names: [String] = []
        for group in groups where left.isSuperset(of: group.calls) {
            left.subtract(group.calls)
            names.append("*\(group.name)*")
        }
        return (names + FaultCase.calls.filter(left.contains)).joined(separator: ", ")
    }

    /// As docs/token-faults.md calls them, the larger ones first.
    private static let groups: [(name: String, calls: Set<String>)] = [
        ("opening", ["C_Initialize", "C_GetSlotList", "C_OpenSession", "C_Login"]),
        ("using", ["C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal", "C_GetAttributeValue", "C_SignInit", "C_Sign"]),
        ("closing", ["C_CloseSession", "C_Logout"]),
    ]
}

extension FaultOutcome {
    /// As the legend of docs/token-faults.md has it.
    var words: String {
        switch fate {
        case .notCalled: "not called"
        case .signed: "signs on"
        case .waited: "\(state), jobs wait"
        case .person: "\(state), a person"
        }
    }
}
