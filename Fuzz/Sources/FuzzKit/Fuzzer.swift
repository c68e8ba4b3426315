import CFuzzer
import Foundation

/// The frame of a driver: libFuzzer with its own options, after the corpus.
public enum Fuzzer {
    /// Returns or ends the process when libFuzzer's time is up; a fault that `body` finds is a trap.
    ///
    /// - Parameters:
    ///   - seeds: Inputs to start from. They are made by this process, with its keys, and written into the corpus, the first argument.
    ///   - body: One execution.
    public static func run(seeds: @autoclosure () -> [[UInt8]], _ body: @escaping @Sendable ([UInt8]) -> Void) throws {
        guard CommandLine.arguments.count > 1, !CommandLine.arguments[1].hasPrefix("-") else { throw CorpusMissing() }
        let corpus = URL(fileURLWithPath: CommandLine.arguments[1])
        // A file is given to repeat a finding
        if (try? corpus.resourceValues(forKeys: [.isDirectoryKey]))?.isDirectory == true {
            for (number, seed) in seeds().enumerated() { try Data(seed).write(to: corpus.appending(path: "seed-\(number)")) }
        }
        Self.body = body
        var count = CommandLine.argc
        var vector: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        LLVMFuzzerRunDriver(&count, &vector) { data, size in
            Fuzzer.body(Array(UnsafeBufferPointer(start: data, count: size)))
            return 0
        }
    }

    /// C's callback has no context. Set once, before libFuzzer runs, which calls back on the same thread.
    nonisolated(unsafe) private static var body: @Sendable ([UInt8]) -> Void = { _ in }
}

/// No folder was given to keep inputs in.
struct CorpusMissing: Error, CustomStringConvertible {
    var description: String { "the first argument is the folder of the corpus, or a file to repeat" }
}

/// Stops the process, and so the fuzzer, which then keeps the input.
public func demand(_ condition: Bool, _ what: @autoclosure () -> String) {
    if !condition { fatalError(what()) }
}
