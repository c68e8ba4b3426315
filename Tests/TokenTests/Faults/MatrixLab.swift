import Foundation

extension TokenLab {
    /// Where the matrix leaves its table; nil where it does not run.
    static let matrixTable = ProcessInfo.processInfo.environment["TANBA_TOKEN_FAULTS"]
    /// Tokens that cases of the matrix use, one at a time each. More than there are cores: cases wait for pauses of the module's users.
    static let matrixLabels = (0..<6).map { "matrix-\($0)" }
    static let matrixCalls = "matrix-calls"
}
