internal import CPCSC
internal import Glibc

/// A connection to pcscd, and the three questions that it answers here.
///
/// Of one thread at a time, but for `cancel`. What it throws means that the service is gone: the context is of no more use then.
struct Context: ~Copyable {
    typealias Handle = SCARDCONTEXT

    let handle: Handle

    /// Connects; takes no time where there is no service.
    init() throws(PCSCError) {
        var handle: SCARDCONTEXT = 0
        let result = SCardEstablishContext(DWORD(SCARD_SCOPE_SYSTEM), nil, nil, &handle)
        guard result == SCARD_S_SUCCESS else { throw PCSCError(result, by: "SCardEstablishContext") }
        self.handle = handle
    }

    deinit { SCardReleaseContext(handle) }

    /// Names of the readers that are there, in the service's order.
    func readerNames() throws(PCSCError) -> [ReaderName] {
        // A reader may come between asking for the size and asking for the names
        for _ in 0..<8 {
            var size: DWORD = 0
            let sized = SCardListReaders(handle, nil, nil, &size)
            if sized == SCARD_E_NO_READERS_AVAILABLE { return [] }
            guard sized == SCARD_S_SUCCESS else { throw PCSCError(sized, by: "SCardListReaders") }
            guard size > 1, size <= 1 << 16 else { return [] }
            var names = [CChar](repeating: 0, count: Int(size))
            let listed = SCardListReaders(handle, nil, &names, &size)
            if listed == SCARD_E_INSUFFICIENT_BUFFER { continue }
            if listed == SCARD_E_NO_READERS_AVAILABLE { return [] }
            guard listed == SCARD_S_SUCCESS else { throw PCSCError(listed, by: "SCardListReaders") }
            return names.split(separator: 0).map { ReaderName(bytes: $0.map { UInt8(bitPattern: $0) }) }
        }
        return []
    }

    /// Waits until a reader is not as the caller knows it, readers come or go, the time is over or `cancel` is called.
    ///
    /// - Parameter known: what the caller knows of each reader; nil where it knows nothing, then there is no waiting. Those beyond
    ///   pcsc-lite's own bound (16) are passed over.
    /// - Returns: each reader's status, in the same order; nil when one of them is gone or the wait was cancelled.
    func wait(_ known: [(name: ReaderName, status: ReaderStatus?)], timeout: Duration) throws(PCSCError) -> [ReaderStatus]? {
        let readersMax = Int(PCSCLITE_MAX_READERS_CONTEXTS)
        let known = known.prefix(readersMax)
        var states = known.map { Self.state($0.name.bytes, $0.status.map(Self.flags) ?? DWORD(SCARD_STATE_UNAWARE)) }
        // More than the bound is refused; where it is reached no reader can come
        if states.count < readersMax { states.append(Self.state(Array(#"\\?PnP?\Notification"#.utf8), DWORD(SCARD_STATE_UNAWARE))) }
        defer { for state in states { free(UnsafeMutablePointer(mutating: state.szReader)) } }
        let milliseconds = timeout.components.seconds * 1000 + timeout.components.attoseconds / 1_000_000_000_000_000
        let result = SCardGetStatusChange(handle, DWORD(max(milliseconds, 1)), &states, DWORD(states.count))
        switch result {
        case SCARD_S_SUCCESS, SCARD_E_TIMEOUT: return states.prefix(known.count).map(Self.status)
        case SCARD_E_UNKNOWN_READER, SCARD_E_CANCELLED: return nil
        default: throw PCSCError(result, by: "SCardGetStatusChange")
        }
    }

    /// Ends a wait that is under way in another thread; does nothing, and says so nowhere, when there is none.
    static func cancel(_ handle: Handle) { SCardCancel(handle) }

    private static func state(_ name: [UInt8], _ flags: DWORD) -> SCARD_READERSTATE {
        var state = SCARD_READERSTATE()
        state.szReader = UnsafePointer(strdup(name.map { CChar(bitPattern: $0) } + [0]))
        state.dwCurrentState = flags
        return state
    }

    /// Who shares the card is not said, and so is not waited for.
    private static func flags(_ status: ReaderStatus) -> DWORD {
        var flags = status.isCardPresent ? SCARD_STATE_PRESENT : SCARD_STATE_EMPTY
        if status.isCardMute { flags |= SCARD_STATE_MUTE }
        if status.isUnavailable { flags |= SCARD_STATE_UNAVAILABLE }
        return DWORD(flags) | DWORD(status.eventCount) << 16
    }

    private static func status(_ state: SCARD_READERSTATE) -> ReaderStatus {
        func has(_ flag: Int32) -> Bool { state.dwEventState & DWORD(flag) != 0 }
        let length = min(Int(state.cbAtr), Int(MAX_ATR_SIZE))
        return ReaderStatus(
            isCardPresent: has(SCARD_STATE_PRESENT), isCardMute: has(SCARD_STATE_MUTE), isUnavailable: has(SCARD_STATE_UNAVAILABLE),
            eventCount: UInt16(truncatingIfNeeded: state.dwEventState >> 16),
            answerToReset: withUnsafeBytes(of: state.rgbAtr) { Array($0.prefix(length)) })
    }
}
