internal import CPCSC
internal import Glibc

/// A smart card reader as it is at one moment.
public struct Reader: Sendable, Hashable {
    /// As pcscd gives it.
    public let name: String
    public let isCardPresent: Bool
    /// The card's ATR; empty without a card, and for one that gives none.
    public let answerToReset: [UInt8]
}

/// pcscd, the service through which programs share the machine's smart card readers.
public enum SmartCardService {
    /// Where it listens: `$PCSCLITE_CSOCK_NAME`, else `/run/pcscd/pcscd.comm`.
    public static var socketPath: String { getenv("PCSCLITE_CSOCK_NAME").map { String(cString: $0) } ?? "/run/pcscd/pcscd.comm" }

    /// Whether it is installed here and running, or will be started by whoever connects. It may still not answer.
    public static var isPresent: Bool { access(socketPath, F_OK) == 0 }

    /// The readers and cards that are there now. Blocks for as long as the service takes, a few milliseconds.
    /// - Throws: where the service does not answer.
    public static func readers() throws(PCSCError) -> [Reader] {
        let context = try Context()
        // A reader that goes between the two questions: once more
        for _ in 0..<8 {
            let names = try context.readerNames()
            guard !names.isEmpty else { return [] }
            guard let statuses = try context.wait(names.map { ($0, nil) }, timeout: .milliseconds(1)) else { continue }
            return zip(names, statuses).map { name, status in
                Reader(name: name.text, isCardPresent: status.isCardPresent, answerToReset: status.answerToReset)
            }
        }
        return []
    }
}
