/// A port of loopback at which connections are refused, and which nobody gets by chance: a socket that never listens keeps it as long as this
/// process lives.
///
/// A number that was free a moment ago may be another test's server by the time somebody connects to it. Whoever is told this number and sets
/// `SO_REUSEADDR`, as servers do, can listen there: then that one is reached.
public func refusingPort() throws -> Int {
    let said = try holder.get().order("hold", "port ")
    return Int(said)!
}

private let holder = Result {
    try HeldScript(
        "refusing ports",
        [
            "python3", "-c",
            #"""
            import socket, sys
            held = []
            for line in sys.stdin:
                held.append(socket.socket())
                held[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held[-1].bind(("127.0.0.1", 0))
                print("port", held[-1].getsockname()[1], flush=True)
            """#,
        ])
}
