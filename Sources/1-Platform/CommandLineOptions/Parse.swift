import CPopt
import Glibc

extension Program {
    /// Reads the arguments after the program's name.
    ///
    /// As everywhere: `--long VALUE`, `--long=VALUE`, `-s VALUE`, `-sVALUE`, flags together (`-jv`), options and arguments in any order
    /// after the command, `--` before arguments that begin with a dash.
    public func parse(_ arguments: [String]) -> Parsed {
        if let only { return parse(arguments, as: only) }
        return parse(arguments, among: commands, of: nil)
    }

    /// The first word is a command's name: of the program's commands, or of a command's own.
    private func parse(_ arguments: [String], among commands: [Command], of group: Command?) -> Parsed {
        let fullName = group.map(fullName) ?? name
        let help = group.map(help) ?? help()
        let options = [Self.help, Self.version] + (group == nil ? [Self.completion] : [])
        let before = Scan(fullName, options, arguments, stopsAtArgument: true)
        for (option, value) in before.options {
            if let text = information(option, value, help) { return text }
        }
        if let fault = before.fault { return refused(fullName, fault, choosing: options) }
        guard let word = before.arguments.first else {
            return .refused("\(fullName): a command is missing: \(commands.map(\.name).joined(separator: ", ")). See: \(fullName) --help\n")
        }
        let rest = Array(before.arguments.dropFirst())
        if word == "help" {
            guard let about = rest.first else { return .print(help) }
            if let command = commands.first(where: { $0.name == about }) {
                let below = rest.count > 1 ? command.commands.first { $0.name == rest[1] } : nil
                return .print(self.help(below ?? command))
            }
        }
        guard let command = commands.first(where: { $0.name == word }) else {
            let near = nearest(to: word, among: commands.map(\.name)).map { "; did you mean \($0)?" } ?? "."
            return .refused("\(fullName): there is no command \"\(printable(word))\"\(near) See: \(fullName) --help\n")
        }
        return command.commands.isEmpty ? parse(rest, as: command) : parse(rest, among: command.commands, of: command)
    }

    private func parse(_ arguments: [String], as command: Command) -> Parsed {
        let fullName = fullName(command)
        let options = command.options + [Self.help, Self.version] + (only == nil ? [] : [Self.completion])
        let scan = Scan(fullName, options, arguments, stopsAtArgument: false)
        for (option, value) in scan.options {
            if let text = information(option, value, only == nil ? help(command) : help()) { return text }
        }
        func refused(_ text: String) -> Parsed { .refused("\(fullName): \(text) See: \(fullName) --help\n") }
        if let fault = scan.fault { return self.refused(fullName, fault, choosing: options) }

        var given: [String: [String]] = [:]
        for (option, value) in scan.options {
            if let value, !option.choices.isEmpty, !option.choices.contains(value) {
                let near = nearest(to: value, among: option.choices).map { "; did you mean \($0)?" } ?? "."
                return refused("--\(option.long) is \(option.choices.joined(separator: " or ")), not \"\(printable(value))\"\(near)")
            }
            if given[option.long] != nil, !option.repeats { return refused("--\(option.long) is given twice; give it once.") }
            given[option.long, default: []].append(value ?? "")
        }
        let missing = command.options.filter { $0.required && given[$0.long] == nil }.map(\.display)
        guard missing.isEmpty else { return refused("\(missing.joined(separator: " and ")) \(missing.count == 1 ? "is" : "are") missing.") }
        let count = command.argumentCount
        guard scan.arguments.count >= count.lowerBound else { return refused("\(command.arguments) is missing.") }
        guard scan.arguments.count <= count.upperBound else {
            let extra = printable(scan.arguments[count.upperBound])
            return refused(
                "the argument \"\(extra)\" is one too many\(command.arguments.isEmpty ? "" : "; it takes \(command.arguments)").")
        }
        return .run(Invocation(command: command.path, arguments: scan.arguments, declared: command, given: given))
    }

    /// What the options that every program has print; nil for the others.
    private func information(_ option: Option, _ value: String?, _ help: String) -> Parsed? {
        switch option {
        case Self.help:
            return .print(help)
        case Self.version:
            return .print("\(name) \(version)\n")
        case Self.completion:
            guard let value, let shell = Shell(rawValue: value) else {
                return .refused("\(name): --completion is bash, zsh or fish, not \"\(printable(value ?? ""))\". See: \(name) --help\n")
            }
            return .print(completion(for: shell))
        default:
            return nil
        }
    }

    private func refused(_ fullName: String, _ fault: Scan.Fault, choosing options: [Option]) -> Parsed {
        let text: String
        switch fault {
        case .unknown(let given):
            let near = given.hasPrefix("--") ? nearest(to: String(given.dropFirst(2)), among: options.map(\.long)) : nil
            text = "there is no option \(printable(given))" + (near.map { "; did you mean --\($0)?" } ?? ".")
        case .valueMissing(let option):
            text = "--\(option.long) needs a value: \(option.display)."
        case .valueUnwanted(let option):
            text = "--\(option.long) takes no value."
        case .other(let given, let reason):
            text = "\(printable(given)): \(reason)."
        }
        return .refused("\(fullName): \(text) See: \(fullName) --help\n")
    }
}

/// One pass of popt over the arguments.
private struct Scan {
    enum Fault {
        case unknown(String)
        case valueMissing(Option)
        case valueUnwanted(Option)
        case other(String, reason: String)
    }

    /// Up to the fault, if there is one.
    private(set) var options: [(Option, String?)] = []
    private(set) var arguments: [String] = []
    private(set) var fault: Fault?

    init(_ name: String, _ declared: [Option], _ words: [String], stopsAtArgument: Bool) {
        var owned: [UnsafeMutablePointer<CChar>] = []  // popt keeps pointers to all strings until its context goes
        defer { for text in owned { free(text) } }
        func own(_ text: String) -> UnsafePointer<CChar> {
            owned.append(strdup(text))
            return UnsafePointer(owned[owned.count - 1])
        }
        let table =
            declared.enumerated().map { index, option in
                poptOption(
                    longName: own(option.long), shortName: option.short.map { CChar($0.asciiValue!) } ?? 0,
                    argInfo: UInt32(option.argument == nil ? POPT_ARG_NONE : POPT_ARG_STRING), arg: nil, val: Int32(index + 1),
                    descrip: nil, argDescrip: nil)
            } + [poptOption()]
        var argv: [UnsafePointer<CChar>?] = ([name] + words).map { own($0) } + [nil]
        let flags = POPT_CONTEXT_NO_EXEC | (stopsAtArgument ? POPT_CONTEXT_POSIXMEHARDER : 0)
        table.withUnsafeBufferPointer { table in
            argv.withUnsafeMutableBufferPointer { argv in
                let context = poptGetContext(name, Int32(words.count + 1), argv.baseAddress, table.baseAddress, UInt32(flags))
                defer { poptFreeContext(context) }
                while true {
                    let result = poptGetNextOpt(context)
                    if result > 0 {
                        let value = poptGetOptArg(context)  // ours to free
                        defer { free(value) }
                        options.append((declared[Int(result) - 1], value.map { String(cString: $0) }))
                        continue
                    }
                    if result < -1 { fault = Self.fault(result, poptBadOption(context, UInt32(POPT_BADOPTION_NOALIAS)), declared) }
                    break
                }
                while let argument = poptGetArg(context) { arguments.append(String(cString: argument)) }
            }
        }
    }

    private static func fault(_ result: Int32, _ word: UnsafePointer<CChar>?, _ declared: [Option]) -> Fault {
        let given = word.map { String(cString: $0) } ?? ""
        // Only the name: what stands behind = may be a value that somebody should not have written there.
        let name = given.prefix { $0 != "=" }
        let option = declared.first {
            "--" + $0.long == name || ($0.short.map { name.hasPrefix("-\($0)") } ?? false && !name.hasPrefix("--"))
        }
        switch (result, option) {
        case (POPT_ERROR_BADOPT, _): return .unknown(String(name))
        case (POPT_ERROR_NOARG, let option?): return .valueMissing(option)
        case (POPT_ERROR_UNWANTEDARG, let option?): return .valueUnwanted(option)
        default: return .other(String(name), reason: String(cString: poptStrerror(result)))
        }
    }
}

/// Without control characters: the texts go to a terminal.
private func printable(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
}
