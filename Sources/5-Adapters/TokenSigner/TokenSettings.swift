public import OperatingSystem

/// How a token is reached, as configuration says it.
public struct TokenSettings: Sendable {
    /// The name that logs, metrics and errors call the token by.
    public var name: String
    /// Path of the PKCS#11 module (shared library).
    public var module: String
    /// The token's label within the module.
    public var label: String
    public var pin: Secret
    /// How many signatures are made at once, at least 1; each takes one of the token's sessions, and one more stays logged in.
    public var sessions: Int
    /// Variables that the module reads when it is loaded (SOFTHSM2_CONF); they are set for the whole process.
    public var environment: [String: String]

    public init(name: String, module: String, label: String, pin: Secret, sessions: Int, environment: [String: String] = [:]) {
        self.name = name
        self.module = module
        self.label = label
        self.pin = pin
        self.sessions = sessions
        self.environment = environment
    }
}
