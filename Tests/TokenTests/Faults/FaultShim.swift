import Foundation
import Glibc
import PKCS11
import Testing

/// The functions by which one loaded copy of the fault shim (Tests/FaultShim, docs/fault-shim.md) is told what to do and asked what it saw.
///
/// Labels are those of tokens; "*" stands for all tokens and for calls that are for none (C_Initialize, C_GetSlotList).
final class FaultShim: Sendable {
    private typealias Label = UnsafePointer<CChar>

    private let count: @convention(c) (Label, UnsafePointer<CChar>) -> CLong
    private let openSessions: @convention(c) (Label) -> CInt
    private let peak: @convention(c) (Label) -> CInt
    private let fail: @convention(c) (Label, UnsafePointer<CChar>, CUnsignedLong, CInt, CInt) -> CInt
    private let slow: @convention(c) (Label, UnsafePointer<CChar>, CDouble) -> CInt
    private let knee: @convention(c) (Label, CDouble, CInt) -> Void
    private let remove: @convention(c) (Label, CUnsignedLong) -> Void
    private let limitSessions: @convention(c) (Label, CInt, CInt) -> Void
    private let swapKeys: @convention(c) (Label, CInt) -> Void
    private let setFlags: @convention(c) (Label, CUnsignedLong) -> Void
    private let closeSessions: @convention(c) (Label) -> CInt
    private let rules: @convention(c) (UnsafePointer<CChar>) -> CInt
    private let share: @convention(c) (CInt) -> Void
    private let finaliseModule: @convention(c) () -> Void

    /// - Parameter path: of a shim that is loaded or can be.
    init(path: String) throws {
        let library = try #require(dlopen(path, RTLD_NOW | RTLD_LOCAL))
        func function<F>(_ name: String, as type: F.Type) throws -> F { unsafeBitCast(try #require(dlsym(library, name)), to: type) }
        count = try function("shim_count", as: type(of: count))
        openSessions = try function("shim_open_sessions", as: type(of: openSessions))
        peak = try function("shim_peak", as: type(of: peak))
        fail = try function("shim_fail", as: type(of: fail))
        slow = try function("shim_slow", as: type(of: slow))
        knee = try function("shim_knee", as: type(of: knee))
        remove = try function("shim_remove", as: type(of: remove))
        limitSessions = try function("shim_limit_sessions", as: type(of: limitSessions))
        swapKeys = try function("shim_swap_keys", as: type(of: swapKeys))
        setFlags = try function("shim_flags", as: type(of: setFlags))
        closeSessions = try function("shim_close_sessions", as: type(of: closeSessions))
        rules = try function("shim_rules", as: type(of: rules))
        share = try function("shim_share", as: type(of: share))
        finaliseModule = try function("shim_finalise", as: type(of: finaliseModule))
    }

    /// Compiles the shim as docs/fault-shim.md says.
    static func compile(to library: String) throws {
        let folder =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
            + "/FaultShim/"
        let sources = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".c") }.sorted().map { folder + $0 }
        let flags = try TokenLab.run("pkg-config", "--cflags", "p11-kit-1").split(whereSeparator: \.isWhitespace).map(String.init)
        try TokenLab.run("cc", ["-shared", "-fPIC", "-O1", "-Wall", "-o", library] + sources + flags + ["-ldl", "-lpthread"])
    }

    // MARK: - Asking

    /// How often the function was called for the token, forwarded or not.
    func count(_ function: String, of label: String) -> Int { Int(count(label, function)) }

    func openSessions(of label: String) -> Int { Int(openSessions(label)) }

    /// How many signatures were made at once at most since this was last asked.
    func peak(of label: String) -> Int { Int(peak(label)) }

    // MARK: - Telling

    /// After `good` more calls the function answers `value`, `bad` times; nil: until told otherwise, 0: not at all.
    func fail(_ function: String, of label: String, with value: ReturnValue, after good: Int = 0, times bad: Int?) {
        #expect(fail(label, function, value.rawValue, CInt(good), CInt(bad ?? -1)) == 1)
    }

    func slow(_ function: String, of label: String, milliseconds: Double) { #expect(slow(label, function, milliseconds) == 1) }

    /// A signature takes so long while at most `width` run; 0 ends it.
    func knee(of label: String, milliseconds: Double, width: Int) { knee(label, milliseconds, CInt(width)) }

    /// The token is pulled out; calls on its sessions answer `value`.
    func remove(_ label: String, _ value: ReturnValue = .tokenNotPresent) { remove(label, value.rawValue) }

    func putBack(_ label: String) { remove(label, 0) }

    /// nil: as many as the module has.
    func limitSessions(of label: String, to most: Int?, isHidden: Bool = false) { limitSessions(label, CInt(most ?? -1), isHidden ? 1 : 0) }

    func swapKeys(of label: String, _ isOn: Bool) { swapKeys(label, isOn ? 1 : 0) }

    func setFlags(_ flags: TokenInfo.Flags, of label: String) { setFlags(label, flags.rawValue) }

    @discardableResult func closeSessions(of label: String) -> Bool { closeSessions(label) == 1 }

    /// - Returns: the number of the first line that is no rule; nil when all are.
    func readRules(_ path: String) -> Int? {
        let line = rules(path)
        return line == 0 ? nil : Int(line)
    }

    /// Something else in the process finalises the module.
    func finalise() { finaliseModule() }

    /// This copy closes its own sessions only when it is finalised.
    func shareModule() { share(1) }
}
