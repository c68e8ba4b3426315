import CLinux
import Glibc

/// A system call that failed: which one, on what, and why.
///
/// The description is one line, such as `open /etc/x: Permission denied (EACCES)`; `remedy` says what a person can do about it.
public struct SystemError: Error, Hashable, CustomStringConvertible {
    /// The call's name, such as `open`.
    public let call: String
    /// The file it was about, where there was one.
    public let path: String?
    /// The system's number.
    public let errno: Int32

    public init(call: String, path: String? = nil, errno: Int32) {
        self.call = call
        self.path = path
        self.errno = errno
    }

    public var description: String {
        let place = path.map { " " + printable($0) } ?? ""
        return "\(call)\(place): \(text) (\(name))"
    }

    /// The disk is full, beyond its quota, read-only or failing: no other file fares better.
    public var isOfTheDisk: Bool { [ENOSPC, EDQUOT, EROFS, EIO].contains(errno) }

    /// What to do about it, as a sentence.
    public var remedy: String {
        switch name {
        case "ENOENT": "Check the path; nothing has this name."
        case "EACCES", "EPERM": "Give the user that runs this program the right to use it, or run as another user."
        case "ENOSPC", "EDQUOT": "Free space on the file system, then run it again."
        case "EROFS": "Choose a place on a file system that is mounted for writing."
        case "EMFILE", "ENFILE": "Raise the limit on open files (ulimit -n, LimitNOFILE of the service)."
        case "ELOOP": "It is a symbolic link, which is not followed here; name the file itself."
        case "EISDIR": "It is a directory; name a file."
        case "ENOTDIR": "A part of the path is a file; check the path."
        case "EEXIST": "It is there already; choose another name or remove it."
        case "ENAMETOOLONG": "Choose a shorter name."
        case "EIO": "The storage reports a fault; check the disk and the kernel's log."
        default: "See errno(3) for \(name)."
        }
    }

    private var text: String { clinux_error_text(errno).map { String(cString: $0) } ?? "unknown error" }
    private var name: String { clinux_error_name(errno).map { String(cString: $0) } ?? "errno \(errno)" }
}

/// A text with its control characters replaced, so that a file's name cannot write on the terminal or break a log line.
func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isControl) else { return text }
    return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? "\u{FFFD}" : $0 }))
}

private func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .control }
