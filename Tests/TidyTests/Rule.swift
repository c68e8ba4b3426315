import Testing

/// A habit of the house that can be checked by reading: from a tree to the places where it is not kept.
///
/// To add one: write it beside its kind, put it into `all`, and plant a violation in PlantedViolations.swift; a rule that nothing
/// planted can break is no rule.
struct Rule: Sendable, CustomTestStringConvertible {
    /// A place where a rule is not kept: line 0 is the whole file.
    typealias Place = (path: String, line: Int, what: String)

    let name: String
    private let check: @Sendable (Tree) -> [Place]

    init(_ name: String, _ check: @escaping @Sendable (Tree) -> [Place]) {
        self.name = name
        self.check = check
    }

    func violations(in tree: Tree) -> [Violation] {
        check(tree).map { Violation(rule: name, path: $0.path, line: $0.line, what: $0.what) }
    }

    var testDescription: String { name }

    static let all: [Rule] = [
        // the house
        .targetLinesAreReadable, .foldersAreDeclared, .usesPointDownwards, .cModulesStayInTheirWrapper, .auditorReachesNothingThatSigns,
        .importsAreDeclared, .formatsAreValues,
        // the code
        .nothingUnsafeAboveTheWrappers, .wrappersShowNoC, .filesAreNotEmpty, .filesAreShort,
        // the text
        .pathsHaveNoSpaces, .noWorkplaceIsNamed, .linksLeadSomewhere,
    ]
}
