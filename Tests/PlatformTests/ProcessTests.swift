import Foundation
import OperatingSystem
import Testing

@Suite struct LockFileTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func oneHolderAtATime() throws {
        let path = folder("lock")
        let first = try LockFile(path: path)
        let error = try #require(#expect(throws: LockFileInUse.self) { try LockFile(path: path) })
        #expect(error.pid == getpid())
        #expect(error.description.hasPrefix("\(path) is in use by pid \(getpid())."))
        first.release()
        first.release()
        let second = try LockFile(path: path)
        #expect(try Files.read(path, atMost: 100) == Array("\(getpid())\n".utf8))
        withExtendedLifetime(second) {}
    }

    @Test func theLockEndsWithTheObject() throws {
        do { _ = try LockFile(path: folder("lock")) }
        _ = try LockFile(path: folder("lock"))
    }

    @Test func anotherProcessKeepsUsOut() throws {
        let path = folder("lock")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
        process.arguments = [path, "cat"]
        let input = Pipe()
        let output = Pipe()
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        try input.fileHandleForWriting.write(contentsOf: Data("ready\n".utf8))
        #expect(try output.fileHandleForReading.read(upToCount: 6) == Data("ready\n".utf8))
        let error = try #require(#expect(throws: LockFileInUse.self) { try LockFile(path: path) })
        #expect(error.pid == nil)
        #expect(error.description.contains("in use by another process"))
        try input.fileHandleForWriting.close()
        process.waitUntilExit()
        _ = try LockFile(path: path)
    }

    @Test func aPlaceThatCannotBeMadeIsNamed() throws {
        let error = #expect(throws: SystemError.self) { try LockFile(path: folder("none/lock")) }
        #expect(error?.path == folder("none/lock"))
    }
}

@Suite struct ProcessTests {
    /// The child asks itself to end, both ways; its handler counts, and only then it leaves.
    @Test func terminationSignalsAreHandled() async {
        await #expect(processExitsWith: .exitCode(17)) {
            let (seen, signals) = AsyncStream.makeStream(of: Int32.self)
            let handlers = TerminationSignals { signals.yield($0) }
            kill(getpid(), SIGTERM)
            var iterator = seen.makeAsyncIterator()
            guard await iterator.next() == SIGTERM else { exit(1) }
            kill(getpid(), SIGINT)
            guard await iterator.next() == SIGINT else { exit(2) }
            // Two at a time are two calls.
            kill(getpid(), SIGTERM)
            kill(getpid(), SIGINT)
            guard let third = await iterator.next(), let fourth = await iterator.next(), Set([third, fourth]) == [SIGINT, SIGTERM] else {
                exit(3)
            }
            withExtendedLifetime(handlers) {}
            exit(17)
        }
    }

    @Test func afterTheHandlersTheSignalsEndTheProcess() async {
        await #expect(processExitsWith: .signal(SIGTERM)) {
            do { _ = TerminationSignals { _ in } }
            kill(getpid(), SIGTERM)
            pause()
        }
    }

    @Test func coreDumpsAreOff() async {
        await #expect(processExitsWith: .exitCode(0)) {
            ProcessHardening.disableCoreDumps()
            let limits = String(decoding: try Files.read("/proc/self/limits", atMost: 10_000), as: UTF8.self)
            let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max core file size") })
            #expect(line.split(separator: " ").dropFirst(4).prefix(2) == ["0", "0"])
        }
    }

    @Test func theProcessCanKillItself() async {
        await #expect(processExitsWith: .signal(SIGKILL)) { killThisProcess() }
    }

    @Test func theHostIsNamedAndTimeGoesOn() throws {
        #expect(Host.name == ProcessInfo.processInfo.hostName || !Host.name.isEmpty)
        let before = Host.processCPUSeconds()
        var sum = 0.0
        while Host.processCPUSeconds() < before + 0.001 { sum += 1 }
        #expect(sum > 0)
        #expect(Host.residentBytes() > 1_000_000)
        #expect(Host.processID == getpid())
        #expect(Host.environment("PATH") != nil)
        #expect(Host.environment("TANBA_NOT_SET") == nil)
    }

    @Test func randomBytesDiffer() {
        #expect(Randomness.bytes(0) == [])
        let many = (0..<100).map { _ in Randomness.bytes(16) }
        #expect(Set(many).count == 100)
        #expect(many.allSatisfy { $0.count == 16 })
        #expect(Set(Randomness.bytes(100_000)).count == 256)
    }

    @Test func aPipeIsNoTerminal() throws {
        let pipe = Pipe()
        #expect(!Terminal.isTerminal(descriptor: pipe.fileHandleForReading.fileDescriptor))
        #expect(Terminal.width > 0)
        var parent: Int32 = 0
        var child: Int32 = 0
        var size = winsize(ws_row: 10, ws_col: 33, ws_xpixel: 0, ws_ypixel: 0)
        try #require(openpty(&parent, &child, nil, nil, &size) == 0)
        #expect(Terminal.isTerminal(descriptor: child))
        close(parent)
        close(child)
    }

    /// More than a pipe holds, to a descriptor that does not block: every byte arrives.
    @Test func standardOutputIsWrittenWhole() async throws {
        let result = await #expect(processExitsWith: .exitCode(0), observing: [\.standardOutputContent, \.standardErrorContent]) {
            _ = fcntl(1, F_SETFL, fcntl(1, F_GETFL) | O_NONBLOCK)
            StandardStreams.writeOut([UInt8](repeating: UInt8(ascii: "x"), count: 1_000_000))
            StandardStreams.writeOut("Таңба\n")
            StandardStreams.writeError("to error\n")
            exit(StandardStreams.outFailure == nil ? 0 : 1)
        }
        let output = try #require(result?.standardOutputContent)
        #expect(output.filter { $0 == UInt8(ascii: "x") }.count >= 1_000_000)
        let end = String(decoding: output.suffix(40), as: UTF8.self)
        #expect(end.contains("Таңба"))
        let error = String(decoding: try #require(result?.standardErrorContent), as: UTF8.self)
        #expect(error.contains("to error"))
    }
}
