extension Program {
    /// The help of the program, or of its only command.
    func help() -> String {
        if let only { return help(only) }
        var text = "\(name) \(version): \(summary)\n\nUsage: \(name) COMMAND [OPTIONS]\n\nCommands:\n"
        text += rows(commands.map { ($0.name, $0.summary) })
        text += "\nOptions:\n" + optionRows([Self.help, Self.version, Self.completion])
        let examples = commands.compactMap(\.examples.first)
        text += exampleText(examples) + statusText()
        return text + "\nFor a command's options and more examples: \(name) COMMAND --help\n"
    }

    /// The help of one command.
    func help(_ command: Command) -> String {
        guard command.commands.isEmpty else { return helpOfGroup(command) }
        let isOnly = command.name.isEmpty
        var text = isOnly ? "\(name) \(version): \(summary)\n" : "\(fullName(command)): \(command.summary)\n"
        let required = command.options.filter(\.required).map(\.display)
        let usage = [fullName(command), command.arguments] + required + ["[OPTIONS]"]
        text += "\nUsage: " + usage.filter { !$0.isEmpty }.joined(separator: " ") + "\n\nOptions:\n"
        text += optionRows(command.options + [Self.help, Self.version] + (isOnly ? [Self.completion] : []))
        return text + exampleText(command.examples) + statusText()
    }

    /// The help of a command of commands.
    private func helpOfGroup(_ group: Command) -> String {
        let fullName = fullName(group)
        var text = "\(fullName): \(group.summary)\n\nUsage: \(fullName) COMMAND [OPTIONS]\n\nCommands:\n"
        text += rows(group.commands.map { ($0.name, $0.summary) })
        text += "\nOptions:\n" + optionRows([Self.help, Self.version])
        text += exampleText(group.examples) + statusText()
        return text + "\nFor a command's options and more examples: \(fullName) COMMAND --help\n"
    }

    private func optionRows(_ options: [Option]) -> String {
        rows(
            options.map { option in
                var notes: [String] = []
                if option.required { notes.append("required") }
                if let value = option.default { notes.append("default: \(value)") }
                if option.repeats { notes.append("may be repeated") }
                let help = option.help + (notes.isEmpty ? "" : " (\(notes.joined(separator: "; ")))")
                return ((option.short.map { "-\($0), " } ?? "    ") + option.display, help)
            })
    }

    private func exampleText(_ examples: [Example]) -> String {
        guard !examples.isEmpty else { return "" }
        return "\nExamples:\n" + examples.map { "  \($0.command)\n" + wrapped($0.meaning, indent: 6) }.joined()
    }

    private func statusText() -> String {
        guard !exitStatuses.isEmpty else { return "" }
        return "\nExit status:\n" + rows(exitStatuses.map { (String($0.0), $0.1) })
    }
}

private let widthMax = 80

/// Two columns; a left cell that is too long stands alone in its line.
private func rows(_ cells: [(left: String, right: String)]) -> String {
    let column = min(cells.map(\.left.count).max() ?? 0, 32) + 4
    return cells.map { left, right in
        let start = "  " + left
        let lines = wrapped(right, indent: column)
        guard start.count + 2 <= column else { return start + "\n" + lines }
        return start + String(lines.dropFirst(start.count))
    }.joined()
}

/// Lines of at most 80 characters, indented, broken at spaces; with the last newline.
private func wrapped(_ text: String, indent: Int) -> String {
    let margin = String(repeating: " ", count: indent)
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
        if !line.isEmpty, indent + line.count + 1 + word.count > widthMax {
            lines.append(line)
            line = ""
        }
        line += (line.isEmpty ? "" : " ") + word
    }
    lines.append(line)
    return lines.map { margin + $0 + "\n" }.joined()
}
