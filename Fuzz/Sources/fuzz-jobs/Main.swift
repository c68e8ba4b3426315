import FoundationEssentials
import FuzzKit
import SigningModel

/// Jobs and results are anyone's bytes: each becomes a value or a refusal. What is read as a job is written and read again as the same.
@main struct Main {
    static func main() throws {
        try Fuzzer.run(seeds: seeds()) { input in
            if case .job(let job) = Job.read(input) {
                guard case .job(let again) = Job.read(job.encoded()) else {
                    demand(false, "a job that was read cannot be read again")
                    return
                }
                demand(again == job, "a job changes when it is written")
            }
            if let result = try? JobResult.read(input) {
                demand((try? JobResult.read(result.encoded())) == result, "a result changes when it is written")
            }
        }
    }

    static func seeds() -> [[UInt8]] {
        let digest = "\"digest\":{\"algorithm\":\"sha256\",\"value\":\"\(Data(repeating: 7, count: 32).base64EncodedString())\"}"
        return [
            #"{"version":1,"job":"a/b.pdf",\#(digest),"profile":"p256-t"}"#,
            #"""
            {"version":1,"job":"a","package":{"id":"pack","index":0,"count":2},"document":{"id":"d","title":"Шарт","name":"a.pdf","size":9},
            \#(digest),"profile":"p","expires":"2026-11-21T16:29:03Z","attributes":{"x":[1,{"y":null}]}}
            """#,
            #"{"version":2,"job":"a","job":"b","unknown":1}"#,
            #"""
            {"version":1,"job":"a","outcome":"refused","refusal":{"code":"job-expired","parameters":{},"message":"m","remedy":"r"},
            "source":{"topic":"t.jobs","partition":0,"offset":1},"worker":"w"}
            """#,
        ].map { Array($0.utf8) }
    }
}
