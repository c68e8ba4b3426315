import Foundation
import OperatingSystem

/// pcscd, by itself, with virtual readers (Debian's vsmartcard-vpcd) and cards that come and go as the test says.
///
/// Nobody else on the machine sees it: it runs in a mount namespace in which `/run` is its own, so its socket, which has a fixed path, lies
/// in a folder of ours. Programs of the test find it there when they get `environment`. A script holds it: it ends pcscd and removes the
/// folder when this object goes, or this process, however that ends, because then its standard input is at an end.
public final class VirtualReaders: Sendable {
    /// What leads a program's libpcsclite to this pcscd. It is read once a process.
    public let environment: [String: String]
    private let script: HeldScript

    /// For `.enabled(if:)`: they can be had. Says once and aloud what is skipped if not.
    public static let isAvailable: Bool = {
        let (status, words) = check()
        if status != 0 { print("SKIPPED: tests with smart card readers: \(words)") }
        return status == 0
    }()

    /// Starts pcscd, whose readers are called `Virtual PCD 00 00` and `Virtual PCD 00 01`, both empty. Takes half a second.
    public init() throws {
        script = try HeldScript("virtual readers", ["python3", "-c", readerScript])
        environment = ["PCSCLITE_CSOCK_NAME": try script.expect("ready ")]
    }

    /// A reader's name as pcscd gives it.
    public static func name(slot: Int, of pair: String = "Virtual PCD") -> String { "\(pair) 00 0\(slot)" }

    /// Puts a card with this ATR into a reader; pcscd sees it within half a second.
    public func insert(_ answerToReset: [UInt8], slot: Int = 0) throws {
        let hex = answerToReset.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        try script.order("insert \(slot) \(hex)", "inserted")
    }

    /// Pulls it out.
    public func remove(slot: Int = 0) throws { try script.order("remove \(slot)", "removed") }
    /// SIGKILL, and waits for pcscd's end. Cards are gone then, too.
    public func killService() throws { try script.order("kill", "killed") }
    /// Starts pcscd again after `killService`, at the same place.
    /// - Parameter pair: what the two readers are called (the driver has no more); nil for no readers.
    public func startService(pair: String? = "Virtual PCD") throws { try script.order("start \(pair ?? "")", "ready ") }
    /// SIGSTOP: connections stay open and nobody answers.
    public func pauseService() throws { try script.order("pause", "paused") }
    /// SIGCONT.
    public func resumeService() throws { try script.order("resume", "resumed") }

    private static func check() -> (Int32, String) {
        let process = Process()
        let out = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", readerScript, "check"]
        process.standardOutput = out
        process.standardInput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        do { try process.run() } catch { return (1, "\(error)") }
        let words = (try? out.fileHandleForReading.readToEnd()) ?? nil
        process.waitUntilExit()
        let said = String(decoding: words ?? Data(), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        return (process.terminationStatus, said.isEmpty ? "python3 is not here" : said)
    }
}

/// A card is a client of its reader's port: two bytes of length and as many of data each way; one byte from the reader is an order
/// (0 off, 1 on, 2 reset, 4 send your ATR), more are a command, which a card without files refuses (6D00).
private let readerScript = #"""
    import os, shutil, signal, socket, struct, subprocess, sys, tempfile, threading, time
    DRIVER = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
    PCSCD = "/usr/sbin/pcscd"
    SPACE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    # The mounts are made before pcscd is the process: what kills the one that was started kills pcscd
    ENTER = 'mount -t tmpfs none /run && mkdir /run/pcscd && mount --bind "$0" /run/pcscd && exec "$@"'

    def enter(folder, command): return SPACE + ["/bin/sh", "-c", ENTER, folder] + command

    if sys.argv[1:] == ["check"]:
        for path, package in ((PCSCD, "pcscd"), (DRIVER, "vsmartcard-vpcd")):
            if not os.path.exists(path): sys.exit(print("install the package " + package) or 1)
        with tempfile.TemporaryDirectory() as folder:
            tried = subprocess.run(enter(folder, ["true"]), capture_output=True, text=True)
        if tried.returncode != 0: print("pcscd needs a mount namespace of its own, which is refused here:", tried.stderr.strip())
        sys.exit(tried.returncode)

    folder = tempfile.mkdtemp(prefix="tanba-readers.")
    os.makedirs(folder + "/run"); os.makedirs(folder + "/conf")
    pcscd, cards, port = None, {}, 0

    def free_ports(count):
        for first in range(20000 + os.getpid() * 8 % 12000, 32000):
            held = []
            try:
                for port in range(first, first + count):
                    held.append(socket.socket()); held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); held[-1].bind(("", port))
                return first
            except OSError: pass
            finally: [one.close() for one in held]

    def listens(port): return any(line.split()[1].endswith(":%04X" % port) and line.split()[3] == "0A" for line in open("/proc/net/tcp"))

    def start(pair):
        global pcscd, port
        port = port or free_ports(2)
        with open(folder + "/conf/readers", "w") as file:
            if pair: file.write('FRIENDLYNAME "%s"\nDEVICENAME /dev/null:0x%X\nLIBPATH %s\nCHANNELID 0x%X\n' % (pair, port, DRIVER, port))
        # One that was killed leaves its socket, which is not to be taken for the new one's
        if os.path.exists(folder + "/run/pcscd.comm"): os.remove(folder + "/run/pcscd.comm")
        log = open(folder + "/log.txt", "a")
        pcscd = subprocess.Popen(enter(folder + "/run", [PCSCD, "-f", "-i", "-c", folder + "/conf"]), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while not os.path.exists(folder + "/run/pcscd.comm") or pair and not (listens(port) and listens(port + 1)):
            trouble = "ended" if pcscd.poll() is not None else "does not listen" if time.monotonic() > end else None
            if trouble: sys.exit(print("pcscd " + trouble + ":", open(folder + "/log.txt").read()[-500:].replace("\n", " "), flush=True))
            time.sleep(0.01)
        print("ready " + folder + "/run/pcscd.comm", flush=True)

    def kill():
        global pcscd
        if pcscd: pcscd.kill(); pcscd.wait()
        pcscd = None
        for slot in list(cards): remove(slot)

    def serve(card, atr):
        def receive(count):
            data = b""
            while len(data) < count:
                more = card.recv(count - len(data))
                if not more: raise OSError
                data += more
            return data
        try:
            while True:
                data = receive(struct.unpack(">H", receive(2))[0])
                answer = atr if data == b"\x04" else b"\x6D\x00" if len(data) > 1 else None
                if answer is not None: card.sendall(struct.pack(">H", len(answer)) + answer)
        except OSError: pass

    def insert(slot, atr):
        card = cards[slot] = socket.create_connection(("127.0.0.1", port + slot))
        threading.Thread(target=serve, args=(card, atr), daemon=True).start()

    def remove(slot):
        card = cards.pop(slot)
        try: card.shutdown(socket.SHUT_RDWR)
        except OSError: pass  # pcscd went first
        card.close()

    try:
        start("Virtual PCD")
        for line in sys.stdin:
            order, *rest = line.split()
            if order == "insert": insert(int(rest[0]), bytes.fromhex(rest[1])); print("inserted", flush=True)
            if order == "remove": remove(int(rest[0])); print("removed", flush=True)
            if order == "kill": kill(); print("killed", flush=True)
            if order == "start": start(" ".join(rest))
            if order == "pause": pcscd.send_signal(signal.SIGSTOP); print("paused", flush=True)
            if order == "resume": pcscd.send_signal(signal.SIGCONT); print("resumed", flush=True)
    finally:
        kill(); shutil.rmtree(folder, ignore_errors=True)
    """#
