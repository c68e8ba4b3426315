import Foundation
import OperatingSystem

/// A script that holds something for this process: orders by its standard input, one a line, answers by its standard output.
///
/// It ends what it holds when its standard input is at an end: when this object goes, and when this process is gone, however that ends.
public final class HeldScript: Sendable {
    private let name: String
    private let pipes: Locked<(orders: FileHandle, answers: FileHandle, process: Process)>

    /// - Parameters:
    ///   - name: what it holds, for errors.
    ///   - command: looked for in PATH, with its arguments.
    public init(_ name: String, _ command: [String]) throws {
        self.name = name
        let (orders, answers, process) = (Pipe(), Pipe(), Process())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.standardInput = orders
        process.standardOutput = answers
        try process.run()
        pipes = Locked((orders.fileHandleForWriting, answers.fileHandleForReading, process))
    }

    // A Process that runs keeps its pipes, whoever has let go of it
    deinit { pipes.withLock { try? $0.orders.close() } }

    /// Gives an order, whose answer must begin so, and returns the rest of it.
    @discardableResult public func order(_ order: String, _ beginning: String) throws -> String {
        try pipes.withLock { pipes in
            // To write to who has ended would end this process
            guard pipes.process.isRunning else { throw HeldScriptError(description: "\(name): it has ended and cannot \(order)") }
            try pipes.orders.write(contentsOf: Data((order + "\n").utf8))
            return try read(beginning, from: pipes.answers)
        }
    }

    /// Reads one line, which must begin so, and returns the rest of it.
    public func expect(_ beginning: String) throws -> String { try pipes.withLock { try read(beginning, from: $0.answers) } }

    private func read(_ beginning: String, from answers: FileHandle) throws -> String {
        var bytes: [UInt8] = []
        while let byte = try answers.read(upToCount: 1)?.first, byte != UInt8(ascii: "\n") { bytes.append(byte) }
        let line = String(decoding: bytes, as: UTF8.self)
        guard line.hasPrefix(beginning) else { throw HeldScriptError(description: "\(name): \(line.isEmpty ? "it ended without a word" : line)") }
        return String(line.dropFirst(beginning.count))
    }
}

struct HeldScriptError: Error, CustomStringConvertible { let description: String }
