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
    /// How many signatures are made at once at most, at least 1; each takes one of the token's sessions, and one more stays logged in. How
    /// many are made below that is found out.
    public var sessions: Int
    /// How many signatures are made at once, for who knows better or measures; nil to find the token's knee.
    public var fixedWidth: Int?
    /// Variables that the module reads when it is loaded (SOFTHSM2_CONF); they are set for the whole process.
    public var environment: [String: String]

    public init(
        name: String, module: String, label: String, pin: Secret, sessions: Int = 16, fixedWidth: Int? = nil, environment: [String: String] = [:]
    ) {
        self.name = name
        self.module = module
        self.label = label
        self.pin = pin
        self.sessions = sessions
        self.fixedWidth = fixedWidth
        self.environment = environment
    }
}
