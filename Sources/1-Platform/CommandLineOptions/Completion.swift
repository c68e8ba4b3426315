/// The shells we write completion scripts for.
enum Shell: String, CaseIterable {
    case bash, zsh, fish
}

extension Program {
    func completion(for shell: Shell) -> String {
        switch shell {
        case .bash: bash()
        case .zsh: zsh()
        case .fish: fish()
        }
    }

    /// As a shell function may be named.
    private var functionName: String { "_" + name.map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined() }

    private func options(of command: Command) -> [Option] {
        command.options + [Self.help, Self.version] + (command.name.isEmpty ? [Self.completion] : [])
    }

    private var programOptions: [Option] { [Self.help, Self.version, Self.completion] }

    // MARK: - bash

    private func bash() -> String {
        var values = ""
        var words = ""
        for command in leaves {
            for option in options(of: command) where option.argument != nil {
                let names = ["--" + option.long] + (option.short.map { ["-\($0)"] } ?? [])
                values +=
                    "    " + names.map { "\"\(command.path) \($0)\"" }.joined(separator: " | ") + ") \(bashValues(option)) return ;;\n"
            }
            let names = options(of: command).map { "--" + $0.long }.joined(separator: " ")
            let files = takesFiles(command.arguments) ? "files" : "true"
            words += "    \"\(command.path)\") if [[ $current == -* ]]; then words \"\(names)\"; else \(files); fi ;;\n"
        }
        if only == nil {
            values += "    \" --completion\") \(bashValues(Self.completion)) return ;;\n"
            let names = (commands.map(\.name) + programOptions.map { "--" + $0.long }).joined(separator: " ")
            words += "    \"\") words \"\(names)\" ;;\n"
        }
        for group in groups {
            let names = group.commands.map(\.name) + [Self.help, Self.version].map { "--" + $0.long }
            words += "    \"\(group.path)\") words \"\(names.joined(separator: " "))\" ;;\n"
        }
        let isGroup = groups.isEmpty ? "" : "case $command in \(groups.map(\.name).joined(separator: " | "))) continue ;; esac; "
        let findsCommand = """
                local index
                for ((index = 1; index < COMP_CWORD; index++)); do
                    if [[ ${COMP_WORDS[index]} != -* ]]; then command+=${command:+ }${COMP_WORDS[index]}; \(isGroup)break; fi
                done

            """
        return """
            # bash completion for \(name). Load it with: source <(\(name) --completion bash)
            \(functionName)() {
                local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command=
                if [[ $current == = ]]; then current=
                elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}
                fi
                COMPREPLY=()
                words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current"); }
                files() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$current"); }
            \(only == nil ? findsCommand : "")    case "$command $previous" in
            \(values)    esac
                case "$command" in
            \(words)    esac
            }
            complete -F \(functionName) \(name)

            """
    }

    private func bashValues(_ option: Option) -> String {
        if !option.choices.isEmpty { return "words \"\(option.choices.joined(separator: " "))\";" }
        return takesFiles(option.argument ?? "") ? "files;" : ""
    }

    // MARK: - zsh

    private func zsh() -> String {
        func arguments(_ command: Command) -> String {
            let files = takesFiles(command.arguments) ? ["'*:file:_files'"] : []
            return (["_arguments -s"] + options(of: command).map(zshOption) + files).joined(separator: " \\\n            ")
        }
        /// Offers the commands, or goes on with the one that is named; `words` begins with what they are commands of.
        func choice(_ commands: [Command], _ options: [Option]) -> String {
            let list = commands.map { "        '\($0.name):\(zshQuoted($0.summary))'\n" }.joined()
            let cases = commands.map { command in
                let body = command.commands.isEmpty ? arguments(command) : "\n" + choice(command.commands, [Self.help, Self.version])
                return "        \(command.name))\n            \(body) ;;\n"
            }.joined()
            let names = options.map(zshOption).joined(separator: " ")
            return """
                    local -a commands=(
                \(list)    )
                    if (( CURRENT == 2 )) || [[ $words[2] == -* ]]; then
                        _arguments -s \(names) '1:command:{ _describe command commands }'
                        return
                    fi
                    local command=$words[2]
                    shift words
                    (( CURRENT-- ))
                    case $command in
                \(cases)    esac

                """
        }
        let body = only.map { "    " + arguments($0) + "\n" } ?? choice(commands, programOptions)
        return """
            #compdef \(name)
            # zsh completion for \(name). Load it with: source <(\(name) --completion zsh), or save it as _\(name) in a folder of $fpath
            \(functionName)() {
            \(body)}
            if [ "$funcstack[1]" = "_\(name)" ]; then \(functionName) "$@"; else compdef \(functionName) \(name); fi

            """
    }

    private func zshOption(_ option: Option) -> String {
        var value = ""
        if let argument = option.argument {
            let action = !option.choices.isEmpty ? "(\(option.choices.joined(separator: " ")))" : takesFiles(argument) ? "_files" : ""
            value = ":\(zshQuoted(argument)):\(action)"
        }
        let long = "--" + option.long + (option.argument == nil ? "" : "=")
        let tail = "[\(zshQuoted(option.help))]\(value)'"
        let star = option.repeats ? "*" : ""
        guard let short = option.short else { return "'\(star)\(long)\(tail)" }
        let exclusion = option.repeats ? "'*'" : "'(-\(short) --\(option.long))'"
        return "\(exclusion){-\(short)\(option.argument == nil ? "" : "+"),\(long)}'\(tail)"
    }

    /// For _arguments inside single quotes.
    private func zshQuoted(_ text: String) -> String {
        text.map { character in
            switch character {
            case "'": "'\\''"
            case "[", "]", ":", "\\": "\\\(character)"
            default: String(character)
            }
        }.joined()
    }

    // MARK: - fish

    private func fish() -> String {
        var lines = ["# fish completion for \(name). Load it with: \(name) --completion fish | source", "complete -c \(name) -f"]
        if only == nil {
            lines += commands.map { "complete -c \(name) -n __fish_use_subcommand -a \($0.name) -d \(fishQuoted($0.summary))" }
            lines += programOptions.map { fishOption($0, condition: " -n __fish_use_subcommand") }
        }
        for group in groups {
            let names = group.commands.map(\.name).joined(separator: " ")
            let condition = " -n '__fish_seen_subcommand_from \(group.name); and not __fish_seen_subcommand_from \(names)'"
            lines += group.commands.map { "complete -c \(name)\(condition) -a \($0.name) -d \(fishQuoted($0.summary))" }
            lines += [Self.help, Self.version].map { fishOption($0, condition: condition) }
        }
        for command in leaves {
            let seen = command.path.split(separator: " ").map { "__fish_seen_subcommand_from \($0)" }.joined(separator: "; and ")
            let condition = seen.isEmpty ? "" : " -n '\(seen)'"
            lines += options(of: command).map { fishOption($0, condition: condition) }
            if takesFiles(command.arguments) { lines.append("complete -c \(name)\(condition) -F") }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func fishOption(_ option: Option, condition: String) -> String {
        var line = "complete -c \(name)\(condition) -l \(option.long)"
        if let short = option.short { line += " -s \(short)" }
        if let argument = option.argument {
            if !option.choices.isEmpty {
                line += " -x -a \(fishQuoted(option.choices.joined(separator: " ")))"
            } else {
                line += takesFiles(argument) ? " -r -F" : " -x"
            }
        }
        return line + " -d \(fishQuoted(option.help))"
    }

    private func fishQuoted(_ text: String) -> String {
        "'" + text.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "'"
    }
}

/// Whether the word that stands for an argument in the help means a file.
private func takesFiles(_ argument: String) -> Bool {
    let words = argument.split { !$0.isLetter }
    return words.contains { ["FILE", "DIR", "PATH", "PEM"].contains($0) }
}
