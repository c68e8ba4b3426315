internal import CPKCS11
internal import Glibc
internal import OperatingSystem

/// A PKCS#11 library, loaded and initialised once per process and never unloaded (its threads may outlive any user).
///
/// It is initialised with CKF_OS_LOCKING_OK: any thread may call it at any time, one at a time per session.
public final class Module: @unchecked Sendable {
    public let path: String
    /// Copied once from the library; C function pointers that never change. That, and the lock around `users`, is why the class may be shared.
    let functions: Functions
    private let users = Locked(Users())
    /// Tokens, by label, whose PIN was refused. Kept here and not in `Token`, so that no second object sends the PIN a second time.
    private let refused = Locked<[String: PKCS11Error]>([:])

    /// Under whose feet the module must not be initialised anew.
    private struct Users: Equatable {
        /// `Token`s that have been found and are not gone, by label; under "" what else uses the module.
        var tokens: [String: Int] = [:]
        /// Calls that look for a token at this moment.
        var searches = 0
    }

    /// The module at `path`: loaded at the first call, the same object at each later one.
    ///
    /// - Parameter environment: variables set for this process before the library is loaded, since libraries read theirs when they are
    ///   initialised (SOFTHSM2_CONF). Call this while the program starts: other threads should not read the environment meanwhile.
    public static func load(path: String, environment: [String: String] = [:]) throws(PKCS11Error) -> Module {
        try loaded.withLock { (modules) throws(PKCS11Error) in
            if let module = modules[path] { return module }
            for (name, value) in environment { setenv(name, value, 1) }
            let module = try Module(path: path)
            modules[path] = module
            return module
        }
    }

    /// What the library says of itself.
    public func info() throws(PKCS11Error) -> ModuleInfo {
        var info = CK_INFO()
        try check(functions.C_GetInfo(&info), "C_GetInfo")
        return ModuleInfo(
            description: padded(info.libraryDescription), manufacturer: padded(info.manufacturerID),
            version: "\(info.libraryVersion.major).\(info.libraryVersion.minor)",
            standard: "\(info.cryptokiVersion.major).\(info.cryptokiVersion.minor)")
    }

    /// The slots that hold a token, initialised or not; with `empty`, all others too.
    public func slots(empty: Bool = false) throws(PKCS11Error) -> [Slot] {
        do throws(PKCS11Error) { return try listSlots(empty: empty) } catch {
            guard error.returnValue == .cryptokiNotInitialized else { throw error }
        }
        // Something else in this process finalised the library; every session is gone, and whoever had one finds out.
        try functions.initialise()
        return try listSlots(empty: empty)
    }

    private func listSlots(empty: Bool) throws(PKCS11Error) -> [Slot] {
        let isPresent = CK_BBOOL(empty ? CK_FALSE : CK_TRUE)
        let numbers: [CK_SLOT_ID] = try list("C_GetSlotList") { functions.C_GetSlotList(isPresent, $0, $1) }
        return numbers.map { Slot(module: self, id: SlotID(rawValue: $0)) }
    }

    /// The slot whose token is initialised and has this label.
    ///
    /// A module that was initialised at the same moment as another process's may see no token (SoftHSM 2, about one start in ten): while
    /// nobody uses this module it is initialised again, five times over about a third of a second, before the token counts as missing.
    public func slot(label: String) throws(PKCS11Error) -> Slot {
        for attempt in 0..<6 {
            users.withLock { $0.searches += 1 }
            let found = Result { () throws(PKCS11Error) in try findSlot(label: label) }
            users.withLock { $0.searches -= 1 }
            switch found {
            case .success(let slot): return slot
            case .failure(let error):
                guard case .tokenNotFound = error.fault, attempt < 5 else { throw error }
                let isFree = users.withLock { $0.tokens.isEmpty }
                guard isFree else { throw error }
                usleep(useconds_t((10_000 << attempt) + Int.random(in: 0..<10_000)))
                try reinitialise()
            }
        }
        throw PKCS11Error(.tokenNotFound(label: label, seen: []))
    }

    private func findSlot(label: String) throws(PKCS11Error) -> Slot {
        var seen: [String] = []
        var found: [Slot] = []
        for slot in try slots() {
            // A slot whose token cannot be asked (just pulled out, or broken) must not hide the others.
            guard let info = try? slot.tokenInfo(), info.flags.contains(.tokenInitialized) else { continue }
            seen.append(info.label)
            if info.label == label { found.append(slot) }
        }
        if found.count > 1 { throw PKCS11Error(.tokenAmbiguous(label: label, slots: found.map(\.id))) }
        guard let slot = found.first else { throw PKCS11Error(.tokenNotFound(label: label, seen: seen)) }
        return slot
    }

    /// C_Finalize and C_Initialize, unless a token came into use meanwhile or somebody else looks for one.
    private func reinitialise() throws(PKCS11Error) {
        try users.withLock { (users) throws(PKCS11Error) in
            guard users == Users() else { return }
            _ = functions.C_Finalize(nil)
            try functions.initialise()
        }
    }

    /// Why the token with this label is out of service until the program starts again; nil while it may be used.
    public func outOfService(label: String) -> PKCS11Error? { refused.withLock { $0[label] } }
    func takeOutOfService(label: String, _ error: PKCS11Error) { refused.withLock { $0[label] = error } }

    func retain(_ label: String = "") { users.withLock { $0.tokens[label, default: 0] += 1 } }

    func release(_ label: String = "") {
        users.withLock { users in
            let left = users.tokens[label, default: 1] - 1
            users.tokens[label] = left == 0 ? nil : left
        }
    }

    /// Whether at most one `Token` stands for this label.
    func isAlone(_ label: String) -> Bool { users.withLock { $0.tokens[label, default: 0] <= 1 } }

    private static let loaded = Locked<[String: Module]>([:])

    private init(path: String) throws(PKCS11Error) {
        guard let library = dlopen(path, RTLD_NOW | RTLD_LOCAL) else {
            throw PKCS11Error(.moduleNotLoadable(path: path, reason: dlerror().map { String(cString: $0) } ?? "no reason given"))
        }
        guard let symbol = dlsym(library, "C_GetFunctionList") else {
            throw PKCS11Error(.moduleNotLoadable(path: path, reason: "it has no function C_GetFunctionList"))
        }
        let get = unsafeBitCast(symbol, to: (@convention(c) (UnsafeMutablePointer<UnsafeMutablePointer<CK_FUNCTION_LIST>?>?) -> CK_RV).self)
        var list: UnsafeMutablePointer<CK_FUNCTION_LIST>?
        try check(get(&list), "C_GetFunctionList")
        guard let list else { throw PKCS11Error(.moduleNotLoadable(path: path, reason: "its function list is empty")) }
        self.path = path
        functions = list.pointee
        try functions.initialise()
    }
}

/// What a PKCS#11 library says of itself (CK_INFO).
public struct ModuleInfo: Hashable, Sendable {
    public let description: String
    public let manufacturer: String
    /// Of the library: major and minor, as "2.6".
    public let version: String
    /// Of the standard that it keeps to: "2.40", "3.0".
    public let standard: String
}

typealias Functions = CK_FUNCTION_LIST

extension Functions {
    fileprivate func initialise() throws(PKCS11Error) {
        var arguments = CK_C_INITIALIZE_ARGS()
        arguments.flags = CK_FLAGS(CKF_OS_LOCKING_OK)
        let value = ReturnValue(rawValue: C_Initialize(&arguments))
        // Another library of this process may have come first; the module is one for all of them.
        guard value == .ok || value == .cryptokiAlreadyInitialized else { throw PKCS11Error(value, by: "C_Initialize") }
    }
}

@inline(__always)
func check(_ value: CK_RV, _ function: @autoclosure () -> String) throws(PKCS11Error) {
    if value != CKR_OK { throw PKCS11Error(ReturnValue(rawValue: value), by: function()) }
}
