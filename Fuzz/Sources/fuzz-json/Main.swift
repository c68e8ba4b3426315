import Foundation
import FuzzKit
import JSON

/// The strict scanner takes a part of what Foundation takes, and nothing makes it trap.
@main struct Main {
    static func main() throws {
        try Fuzzer.run(seeds: seeds()) { input in
            guard (try? JSON.scan(input.span)) != nil else { return }
            let foundation = try? JSONSerialization.jsonObject(with: Data(input), options: [.fragmentsAllowed])
            demand(foundation != nil || mayOverflow(input), "taken here, but not by Foundation")
        }
    }

    /// Foundation refuses numbers that a Double cannot hold; the scanner leaves them to who asks for the value.
    private static func mayOverflow(_ input: [UInt8]) -> Bool {
        input.contains { $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E") }
            || input.split(omittingEmptySubsequences: true) { !(0x30...0x39).contains($0) }.contains { $0.count > 300 }
    }

    static func seeds() -> [[UInt8]] {
        [
            #"{"version":1,"job":"a/b","digest":{"algorithm":"sha256","value":"AAEC"},"profile":"p","attributes":{"a":[null,true,-1.5e3]}}"#,
            #"["\u0428\ud83d\ude00\"\\\/\b\f\n\r\t",0,-0,1E-2,[],{},""]"#,
            #"{"a":1,"a":2}"#, "[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]", " \t\r\n\"таңба\" ", "-", "\u{FEFF}1",
        ].map { Array($0.utf8) }
    }
}
