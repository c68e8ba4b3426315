/// The version of Tanba that this is (semantic versioning), as `--version` prints it.
public enum TanbaVersion {
    public static let text = "0.1.0"
}
