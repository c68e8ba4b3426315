/// One option of a command.
public struct Option: Sendable, Hashable {
    /// Without the dashes, such as `profile`.
    public let long: String
    public let short: Character?
    /// What stands for the value in the help, such as `NAME`; nil for a flag, which has none.
    ///
    /// `FILE`, `DIR`, `PATH` and `PEM` are completed with files. Words with bars between them, such as `kafka|embedded`, are the only
    /// values taken.
    public let argument: String?
    public let help: String
    /// Whether it may be given more than once.
    public let repeats: Bool
    public let required: Bool
    /// The value when it is not given.
    public let `default`: String?

    public init(
        _ long: String, short: Character? = nil, argument: String? = nil, help: String, repeats: Bool = false, required: Bool = false,
        default: String? = nil
    ) {
        precondition(long.count > 1 && !long.hasPrefix("-") && long.utf8.allSatisfy { 0x21...0x7E ~= $0 && $0 != 0x3D }, "--\(long)")
        precondition(short?.isASCII != false && short?.isLetter != false, "--\(long): a short option is one Latin letter")
        precondition(argument != nil || (!required && `default` == nil), "--\(long) is a flag: neither required nor with a default")
        precondition(!required || `default` == nil, "--\(long): what has a default is not required")
        self.long = long
        self.short = short
        self.argument = argument
        self.help = help
        self.repeats = repeats
        self.required = required
        self.default = `default`
    }

    /// The only values taken; empty where any is.
    var choices: [String] {
        guard let argument, argument.contains("|") else { return [] }
        return argument.split(separator: "|").map(String.init)
    }

    /// As it is written in sentences: `--profile NAME`.
    var display: String { "--" + long + (argument.map { " " + $0 } ?? "") }
}

/// A command line that works, and what it does.
public struct Example: Sendable, Hashable {
    public let command: String
    public let meaning: String

    public init(_ command: String, _ meaning: String) {
        self.command = command
        self.meaning = meaning
    }
}

/// One command of a program; the only one of a program without commands has the name "". Either it does something itself, or it has
/// commands of its own (`tokens` of `tanba tokens list`).
public struct Command: Sendable, Hashable {
    public let name: String
    /// The arguments as the help shows them, one word each: `FILE` is one, `PATH…` one or more, `[PATH…]` any number, "" none.
    public let arguments: String
    /// One line, in the imperative, without a full stop.
    public let summary: String
    /// Without `--help` and `--version`, which every command has.
    public let options: [Option]
    public let examples: [Example]
    /// The commands under this one; empty for a command that does something itself.
    public let commands: [Command]
    /// The command that this one stands under; "" for the program's own.
    private(set) var parent = ""

    public init(_ name: String, arguments: String, summary: String, options: [Option], examples: [Example]) {
        let names = options.map(\.long) + options.compactMap { $0.short.map(String.init) } + ["help", "h", "version", "completion"]
        precondition(Set(names).count == names.count, "\(name): an option is declared twice (or is help, -h, version, completion)")
        self.name = name
        self.arguments = arguments
        self.summary = summary
        self.options = options
        self.examples = examples
        commands = []
    }

    /// A command of commands: its first word alone does nothing, its help lists what there is. One floor and no more.
    public init(_ name: String, summary: String, commands: [Command]) {
        precondition(!name.isEmpty && !commands.isEmpty, "\(name): a command of commands has a name and commands")
        precondition(commands.allSatisfy { !$0.name.isEmpty && $0.commands.isEmpty && $0.parent.isEmpty }, "\(name): one floor of commands")
        precondition(Set(commands.map(\.name)).count == commands.count, "\(name) has a command twice")
        self.name = name
        arguments = "COMMAND"
        self.summary = summary
        options = []
        examples = commands.compactMap(\.examples.first)
        self.commands = commands.map { command in
            var command = command
            command.parent = name
            return command
        }
    }

    /// As it is called after the program's name: `sign`, `tokens list`.
    var path: String { parent.isEmpty ? name : parent + " " + name }

    /// How many arguments there may be.
    var argumentCount: ClosedRange<Int> {
        let words = arguments.split(separator: " ")
        let least = words.filter { !$0.hasPrefix("[") }.count
        let isOpen = words.contains { $0.contains("…") }
        return least...(isOpen ? Int.max : words.count)
    }
}

/// A whole command line, declared once: parsing, help and completion all come from here.
public struct Program: Sendable {
    public let name: String
    public let version: String
    public let summary: String
    public let commands: [Command]
    /// What each exit status means.
    public let exitStatuses: [(Int, String)]

    public init(_ name: String, version: String, summary: String, commands: [Command], exitStatuses: [(Int, String)]) {
        precondition(!commands.isEmpty, "\(name) has no command")
        precondition(commands.count == 1 || commands.allSatisfy { !$0.name.isEmpty }, "\(name): one unnamed command, or named ones")
        precondition(Set(commands.map(\.name)).count == commands.count, "\(name) has a command twice")
        self.name = name
        self.version = version
        self.summary = summary
        self.commands = commands
        self.exitStatuses = exitStatuses
    }

    /// The command of a program that has no named ones.
    var only: Command? { commands.count == 1 && commands[0].name.isEmpty ? commands[0] : nil }

    /// `tanba sign`, or just the program's name.
    func fullName(_ command: Command) -> String { command.name.isEmpty ? name : name + " " + command.path }

    /// Every command that does something, those under others too.
    var leaves: [Command] { commands.flatMap { $0.commands.isEmpty ? [$0] : $0.commands } }

    /// Every command that has commands.
    var groups: [Command] { commands.filter { !$0.commands.isEmpty } }

    static let help = Option("help", short: "h", help: "Print this text.")
    static let version = Option("version", help: "Print the version.")
    static let completion = Option("completion", argument: "bash|zsh|fish", help: "Print the completion script for a shell.")
}

/// What the command line says.
public enum Parsed: Sendable, Hashable {
    case run(Invocation)
    /// Text for standard output, with its last newline; then exit status 0. From --help, --version or --completion.
    case print(String)
    /// Text for standard error, with its last newline; then exit status 2. Names the option and the way out.
    case refused(String)
}

/// A command with the options and arguments it was given, checked against the declaration.
public struct Invocation: Sendable, Hashable {
    /// The command's words, such as `sign` or `tokens list`; "" for a program without commands.
    public let command: String
    public let arguments: [String]
    let declared: Command
    let given: [String: [String]]

    /// The value of an option, or its default; the last one where it repeats. Asking for an option that is not declared is a
    /// programmer's error, here and below.
    public func value(_ long: String) -> String? { values(long).last }

    /// All values in the order they were given; the default alone where there were none.
    public func values(_ long: String) -> [String] {
        let option = option(long)
        precondition(option.argument != nil, "--\(long) is a flag")
        return given[long] ?? option.default.map { [$0] } ?? []
    }

    /// Whether a flag was given.
    public func flag(_ long: String) -> Bool {
        precondition(option(long).argument == nil, "--\(long) has a value")
        return given[long] != nil
    }

    private func option(_ long: String) -> Option {
        guard let option = declared.options.first(where: { $0.long == long }) else { preconditionFailure("--\(long) is not declared") }
        return option
    }
}
