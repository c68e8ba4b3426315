/// How a program ends, by kind.
public enum ExitStatus: Int32, Sendable {
    /// Everything was done.
    case done = 0
    /// Everything ran, and something was refused or found.
    case refused = 1
    /// The command line or the configuration cannot be used; nothing was done.
    case usage = 2
    /// The world failed: a broker, a token, a disk.
    case worldFailed = 3

    /// The statuses as `--help` lists them.
    public static let explanations: [(Int, String)] = [
        (0, "everything was done"), (1, "something was refused"), (2, "the command line or the configuration cannot be used"),
        (3, "the world failed: a broker, a token, a disk"),
    ]
}
