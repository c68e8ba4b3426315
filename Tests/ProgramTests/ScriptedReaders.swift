import Foundation
import OperatingSystem

/// A stand-in for pcscd that says what the test writes down: for what the virtual readers cannot do, such as readers that are plugged in
/// and out, cards that give no answer, or a card changed faster than anyone looks.
///
/// It speaks pcsc-lite's protocol, version 4.4 (that of pcsc-lite 1.8.24 to 2.2), as far as a watch needs it.
final class ScriptedReaders {
    struct Reader: Encodable {
        /// Sent as Latin-1.
        var name: String
        /// How often a card came or went.
        var count = 0
        /// pcscd's own bits: 1 the reader gives no answer, 2 empty, 4 a card, 4 + 8 one that gives no answer.
        var state = 2
        var atr: [UInt8] = []
    }

    let environment: [String: String]
    private let stand: ProgramStand
    private let service: RunningProgram

    init(_ stand: ProgramStand) async throws {
        self.stand = stand
        environment = ["PCSCLITE_CSOCK_NAME": stand("pcscd.comm")]
        try stand.write("[]", to: "readers.json")
        let service = try stand.start("/usr/bin/env", ["python3", "-c", script, stand("pcscd.comm"), stand("readers.json")])
        self.service = service
        try await service.wait(for: "its socket") { service.errorsSoFar.contains("listening") }
    }

    /// From now on the readers are these; pcscd knows at most 16.
    func set(_ readers: [Reader]) throws {
        try stand.write(String(decoding: JSONEncoder().encode(readers), as: UTF8.self), to: "readers.part")
        try Files.writeAtomically(stand.read("readers.part"), to: stand("readers.json"))
    }
}

private let script = #"""
    import json, os, socket, struct, sys, threading, time
    path, script = sys.argv[1:]
    lock, waiting, contexts, readers = threading.Lock(), set(), {}, bytes(16 * 184)

    def packed(list):
        rows = b"".join(struct.pack("<128sIIi33s3xII", one["name"].encode("latin-1"), one["count"], one["state"], 0, bytes(one["atr"]), len(one["atr"]), 0) for one in list)
        return rows + bytes(16 * 184 - len(rows))

    def follow():
        global readers
        seen = None
        while True:
            # Two files may be of one moment of the kernel's clock
            now = (os.stat(script).st_ino, os.stat(script).st_mtime_ns)
            if now != seen:
                with lock:
                    readers, seen = packed(json.load(open(script))), now
                    for client in waiting: client.sendall(struct.pack("<II", 0, 0))
                    waiting.clear()
            time.sleep(0.01)

    def serve(client):
        def receive(count):
            data = client.recv(count, socket.MSG_WAITALL) if count else b""
            if len(data) < count: raise OSError
            return data
        try:
            while True:
                size, command = struct.unpack("<II", receive(8))
                body = receive(size)
                with lock:
                    if command == 0x11: client.sendall(struct.pack("<iiI", 4, 4, 0))
                    elif command == 0x01:
                        contexts[len(contexts) + 1] = client
                        client.sendall(struct.pack("<III", 0, len(contexts), 0))
                    elif command == 0x02: client.sendall(body)
                    elif command == 0x12: client.sendall(readers)
                    elif command == 0x13: waiting.add(client); client.sendall(readers)
                    elif command == 0x14:
                        if client in waiting: client.sendall(struct.pack("<II", 0, 0))
                        waiting.discard(client)
                    elif command == 0x0D:
                        waiter = contexts.get(struct.unpack("<iI", body)[0])
                        if waiter in waiting: waiter.sendall(struct.pack("<II", 0, 0x80100002))
                        waiting.discard(waiter)
                        client.sendall(body)
        except OSError:
            with lock: waiting.discard(client)

    server = socket.socket(socket.AF_UNIX); server.bind(path); server.listen()
    threading.Thread(target=follow, daemon=True).start()
    print("listening", file=sys.stderr, flush=True)
    while True: threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
    """#
