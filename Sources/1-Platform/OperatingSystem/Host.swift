import CLinux
import Glibc

/// The machine and this process on it.
public enum Host {
    /// The host's name, as `hostname` prints it.
    public static var name: String {
        var name = [UInt8](repeating: 0, count: 256)
        let result = name.withUnsafeMutableBytes { $0.withMemoryRebound(to: CChar.self) { gethostname($0.baseAddress!, 255) } }
        guard result == 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
    }

    public static var processID: Int32 { getpid() }

    /// Processor time used so far by all threads of this process, in seconds.
    public static func processCPUSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// Memory of this process that is in RAM now, in bytes; 0 where the system does not say.
    public static func residentBytes() -> Int {
        guard let text = try? Files.read("/proc/self/statm", atMost: 1024) else { return 0 }
        let fields = text.split(separator: UInt8(ascii: " "))
        guard fields.count > 1, let pages = Int(String(decoding: fields[1], as: UTF8.self)) else { return 0 }
        return pages * sysconf(Int32(_SC_PAGESIZE))
    }

    /// A variable of the environment; nil where it is not set.
    public static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

/// Keeps secrets out of files that outlive the process.
public enum ProcessHardening {
    /// No core files, and no other process of the same user may attach to this one or read its memory.
    public static func disableCoreDumps() {
        let result = clinux_disable_core_dumps()
        precondition(result == 0, "cannot switch core dumps off: errno \(-result)")  // lowering a limit of one's own always may
    }
}

/// Kills this process as `kill -9` does: no handler runs, nothing is flushed. For failpoints of a test build.
public func killThisProcess() -> Never {
    kill(getpid(), SIGKILL)
    while true { pause() }
}

/// Stops this process with all its threads until it is sent SIGCONT, as SIGSTOP does. For failpoints of a test build.
public func stopThisProcess() {
    // To this thread, which stops before it does anything else. One to the process may meet another thread, while this one goes on for a while.
    raise(SIGSTOP)
}
