import Testing

/// The house stands as Package.swift draws it and its text is in order; and the rules that say so are no dead letters.
///
/// `swift build --explicit-target-dependency-import-check error` finds an import of an unrelated target but lets a transitive one
/// through; `importsAreDeclared` closes that gap by reading the import lines.
@Suite struct TidyTests {
    @Test func theTreeIsRead() {
        #expect(Manifest(Tree.real).targets.count > 40)
        #expect(Tree.real.files.count > 60)
        #expect(Tree.real.files["Tests/TidyTests/TidyTests.swift"]?.contains("theTreeIsRead") == true)
    }

    @Test(arguments: Rule.all) func theTreeKeeps(rule: Rule) {
        let violations = rule.violations(in: Tree.real)
        #expect(violations.isEmpty, "\(violations.map(\.description).joined(separator: "\n"))")
    }

    @Test func theHouseOfThePlantsKeepsEveryRule() {
        #expect(Rule.all.flatMap { $0.violations(in: Plant.house) } == [])
    }

    @Test(arguments: Plant.all) func aPlantIsFoundAndNothingElse(plant: Plant) {
        var tree = Plant.house
        plant.change(&tree)
        let found = Rule.all.flatMap { $0.violations(in: tree) }.map { Violation(rule: $0.rule, path: $0.path, line: $0.line, what: "") }
        #expect(found == [Violation(rule: plant.rule, path: plant.path, line: plant.line, what: "")])
    }

    @Test func everyRuleHasAPlant() {
        #expect(Set(Plant.all.map(\.rule)) == Set(Rule.all.map(\.name)))
        #expect(Set(Rule.all.map(\.name)).count == Rule.all.count)
    }

    @Test func commentsAndStringsAreNoCode() {
        let code = SwiftCode(
            """
            let a = "unsafe" // unsafe
            /* unsafe /* nested */ unsafe
            */ let b = #"unsafe " unsafe"# + "\\" unsafe"
            let c = unsafe d
            """)
        #expect(code.lines == ["let a = \"\" ", "", " let b = \"\" + \"\"", "let c = unsafe d"])
        #expect(SwiftCode("// nothing\n\n/* here */\n").isEmpty)
    }
}
