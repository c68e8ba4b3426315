import Testing
import YAML

@Suite struct YAMLTests {
    private func failure(_ text: String) throws -> YAMLError {
        try #require(#expect(throws: YAMLError.self, "\(text)") { try YAML.parse(text, file: "tanba.yaml") })
    }

    /// A node as nested text, with marks, for comparison by eye.
    private func shown(_ node: YAMLNode) -> String {
        switch node.value {
        case .scalar(let text): "\(text)@\(node.mark.line):\(node.mark.column)"
        case .sequence(let items): "[" + items.map(shown).joined(separator: ", ") + "]@\(node.mark.line):\(node.mark.column)"
        case .mapping(let entries):
            "{" + entries.map { "\($0.key)@\($0.keyMark.line):\($0.keyMark.column): \(shown($0.node))" }.joined(separator: ", ")
                + "}@\(node.mark.line):\(node.mark.column)"
        }
    }

    @Test func everyValueKnowsItsPlace() throws {
        let text = """
            # a comment
            worker:
              id: w1            # trailing
              limits: {in-flight: 4096, none: {}, list: []}
            tokens:
              - name: "main"
                pin: 'file:/p''x'
              - Таңба: |
                  two
                  lines
            empty:
            """
        let root = try YAML.parse(text, file: "a.yaml")
        #expect(
            shown(root) == """
                {worker@2:1: {id@3:3: w1@3:7, limits@4:3: {in-flight@4:12: 4096@4:23, none@4:29: {}@4:35, list@4:39: []@4:45}@4:11}@3:3, \
                tokens@5:1: [{name@6:5: main@6:11, pin@7:5: file:/p'x@7:10}@6:5, {Таңба@8:5: two
                lines
                @9:1}@8:5]@6:3, empty@11:1: @11:1}@2:1
                """)
    }

    @Test(arguments: ["", "\n", "# only a comment\n", "---\n", "---\n# x\n...\n"]) func nothingIsAnEmptyMapping(text: String) throws {
        #expect(try YAML.parse(text, file: "a").value == .mapping([]))
    }

    @Test(arguments: ["a: 1", "a: 1\n", "{a: 1}", "---\na: 1\n...\n", "\"a\": '1'", "\u{FEFF}a: 1\n"]) func formsOfOneMapping(text: String)
        throws
    {
        guard case .mapping(let entries) = try YAML.parse(text, file: "a").value else {
            Issue.record("no mapping: \(text)")
            return
        }
        #expect(entries.map(\.key) == ["a"])
        #expect(entries.map(\.node.value) == [.scalar("1")])
    }

    @Test func aDoubledKeyNamesBothPlaces() throws {
        let error = try failure("a: 1\nb:\n  c: 1\n  \"c\": 2\n")
        #expect(error.mark == YAMLMark(line: 4, column: 3))
        #expect(error.description == "tanba.yaml:4:3: the key \"c\" stands twice, first in line 3. Remove one of the two.")
        _ = try YAML.parse("a: {c: 1}\nb: {c: 1}\n", file: "one key in two mappings is no double")
    }

    @Test(arguments: [
        ("a: &x 1\nb: *x\n", 1, "anchor"), ("b: *x\n", 1, "alias"), ("a: !!str 1\n", 1, "tag"), ("a: !mine {}\n", 1, "tag"),
        ("a: &x []\n", 1, "anchor"), ("a: 1\n---\nb: 2\n", 3, "second document"), ("? [a]\n: 1\n", 1, "list or a mapping"),
        ("{a: 1}: 2\n", 1, "list or a mapping"), ("<<: *x\n", 1, "alias"),
    ])
    func whatIsNotTakenIsRefusedWithItsLine(text: String, line: Int, reason: String) throws {
        let error = try failure(text)
        #expect(error.mark.line == line)
        #expect(error.reason.contains(reason))
        #expect(!error.remedy.isEmpty)
    }

    @Test(arguments: [
        "a: [1, 2\nb: 3\n", "a: \"x\n", "a: 1\n b: 2\n", "a:\n\t- 1\n", "a: b: c\n", "]", "a: 'x", "- 1\na: 2\n", "a: 1\nb\n", "%YAML 9",
        "a: @x\n",
        "a: \"\\q\"\n", "a: {b: 1",
    ])
    func brokenTextIsAnErrorWithAPlace(text: String) throws {
        let error = try failure(text)
        #expect(error.file == "tanba.yaml")
        #expect(error.mark.line >= 1 && error.mark.column >= 1)
        #expect(!error.reason.isEmpty)
        #expect(error.description.hasPrefix("tanba.yaml:\(error.mark.line):\(error.mark.column): "))
    }

    @Test(arguments: [
        ("a: b: c\n", 1, 5), ("a: 1\nb: \"\\q\"\n", 2, 5), ("a: @x\n", 1, 4), ("worker:\n  id: w1\n state: x\n", 3, 2),
        ("a: [1, 2\nb: 3\n", 3, 1),
    ])
    func thePlaceOfAnErrorCountsFromOne(text: String, line: Int, column: Int) throws {
        #expect(try failure(text).mark == YAMLMark(line: line, column: column))
    }

    @Test func depthIsBounded() throws {
        let error = try failure(String(repeating: "[", count: 60) + String(repeating: "]", count: 60))
        #expect(error.reason.contains("nested"))
        _ = try failure(String(repeating: "[", count: 100_000))
        _ = try failure(String(repeating: "{a: ", count: 100_000))
        _ = try YAML.parse(String(repeating: "[", count: 30) + String(repeating: "]", count: 30), file: "fits")
    }

    @Test func bytesThatAreNoTextHaveAPlace() throws {
        let invalid = Array("a: 1\nә: ".utf8) + [0xFF] + Array("x\n".utf8)
        let error = #expect(throws: YAMLError.self) { try YAML.parse(invalid, file: "f") }
        #expect(error?.description == "f:2:4: the text is not UTF-8. Save the file as UTF-8.")
        let zero = #expect(throws: YAMLError.self) { try YAML.parse(Array("a: 1\nb: \0".utf8), file: "f") }
        #expect(zero?.mark == YAMLMark(line: 2, column: 4))
        #expect(throws: YAMLError.self) { try YAML.parse([0xFF], file: "f") }
        for control in ["\u{0}", "\u{1}", "\u{1B}[2J", "\u{7F}"] {
            #expect(try failure("a: 1\nb: \(control)").reason == "the text holds a control character")
        }
    }

    /// Damaged configurations end in an error or a value, never in a crash.
    @Test func damagedTextsNeverCrash() {
        let seed = UInt64.random(in: 0...UInt64.max)
        print("seed of damagedTextsNeverCrash: \(seed)")
        var generator = SeededGenerator(state: seed)
        let good = Array("worker: {id: w1}\ntokens:\n  - {name: main, pin: \"file:/x\"}\n  - a: |\n      b\nlist: [1, 'two', {}]\n".utf8)
        let marks = Array("{}[]:,-?!&*#|>'\"%@`\n\t \\x\u{0}".utf8)
        for _ in 0..<5_000 {
            var text = good
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = Int.random(in: 0..<text.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: text[index] = marks.randomElement(using: &generator)!
                case 1: text.remove(at: index)
                default: text.insert(marks.randomElement(using: &generator)!, at: index)
                }
            }
            do {
                _ = try YAML.parse(text, file: "f")
            } catch {
                #expect(error.mark.line >= 1 && !error.reason.isEmpty)
            }
        }
    }
}
