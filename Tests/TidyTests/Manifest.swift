/// The targets of Package.swift in its order, read from its lines such as `.format("CMS", uses: "DER", "LibCrypto"),`.
struct Manifest {
    enum Kind: String {
        case systemModule, shim, instrument, wrapper, format, domain, flow, adapter, program, testKit, tests
    }

    struct Target {
        var kind: Kind
        var name: String
        var uses: [String]
        var line: Int

        /// Where its sources lie.
        var folder: String {
            switch kind {
            case .systemModule, .shim: "Sources/0-Libraries/\(name)"
            case .instrument, .wrapper: "Sources/1-Platform/\(name)"
            case .format: "Sources/2-Formats/\(name)"
            case .domain: "Sources/3-Domain/\(name)"
            case .flow: "Sources/4-Flow/\(name)"
            case .adapter: "Sources/5-Adapters/\(name)"
            case .program: "Sources/6-Programs/\(name)"
            case .testKit, .tests: "Tests/\(name)"
            }
        }

        var isC: Bool { kind == .systemModule || kind == .shim }
        var isTest: Bool { kind == .testKit || kind == .tests }
        /// Compiled with strict memory safety.
        var isStrict: Bool { !isC && kind != .wrapper && kind != .tests }
        var isAbovePlatform: Bool { isStrict && kind != .instrument }
    }

    var targets: [Target] = []
    /// Lines that declare a target in a form which this reader does not know.
    var unread: [Int] = []

    init(_ tree: Tree) {
        for (index, line) in tree.lines(of: "Package.swift").enumerated() {
            guard let start = line.firstMatch(of: /^        \.(\w+)\(/), let kind = Kind(rawValue: String(start.1)) else { continue }
            guard let match = line.firstMatch(of: /^ *\.\w+\("([\w-]+)"(?:, (?:uses|over): ([^)]*))?[^)]*\),/) else {
                unread.append(index + 1)
                continue
            }
            let uses = (match.2 ?? "").split(separator: ",").map { String($0.filter { $0 != "\"" && $0 != " " }) }
            targets.append(Target(kind: kind, name: String(match.1), uses: uses, line: index + 1))
        }
    }

    /// Everything that a target reaches, through whatever lies between.
    func reached(from name: String) -> Set<String> {
        let uses = Dictionary(targets.map { ($0.name, $0.uses) }, uniquingKeysWith: { first, _ in first })
        var found: Set<String> = []
        var open = [name]
        while let next = open.popLast() {
            for used in uses[next] ?? [] where found.insert(used).inserted { open.append(used) }
        }
        return found
    }
}
