import Foundation
import OperatingSystem
import SigningModel
import SigningTestKit
import Testing

/// `tanba results --export` and `--follow` as their users run them: killed, told to end, on a full disk.
@Suite(.enabled(if: TestBroker.isAvailable, "SKIPPED: there is no broker (KAFKA_HOME, KAFKA_BOOTSTRAP)")) struct ResultsExportTests {
    /// Puts results into the topic, as many a partition as `counts` says, and returns their lines in order.
    private func publish(_ range: Range<Int>, to lab: WorkerStand, partition: Int = 0) async throws -> [String] {
        let lines = range.map { source in
            #"{"version":1,"job":"job-\#(source)","outcome":"refused","digest":{"algorithm":"sha256","value":"\#(Self.digest)"},"#
                + #""refusal":{"code":"profile-unknown","parameters":{},"message":"No.","remedy":"Ask."},"#
                + #""source":{"topic":"\#(lab.stream).jobs","partition":\#(partition),"offset":\#(source)},"worker":"w"}"#
        }
        try lab.stand.write(zip(range, lines).map { "job-\($0)\t\($1)\n" }.joined(), to: "results.txt")
        let produced = try await lab.stand.run(
            "/usr/bin/env",
            ["kcat", "-q", "-b", lab.bootstrap, "-P", "-t", lab.stream + ".results", "-p", "\(partition)", "-K", "\t", "-l", "results.txt"])
        guard produced.status == 0 else { throw ProgramError("\(produced)") }
        return lines
    }

    private static let digest = Data(repeating: 7, count: 32).base64EncodedString()

    /// The sources of a file's whole lines, by partition.
    private func sources(_ lab: WorkerStand, _ name: String) throws -> [Int32: [Int64]] {
        let text = String(decoding: try lab.stand.read(name), as: UTF8.self)
        #expect(text.isEmpty || text.hasSuffix("\n"))
        var sources: [Int32: [Int64]] = [:]
        for line in text.split(separator: "\n") {
            let exported = try ExportedResult.read(Array(line.utf8).span)
            sources[exported.partition.rawValue, default: []].append(try #require(exported.result).source.offset.rawValue)
        }
        return sources
    }

    private func size(_ path: String) -> Int { ((try? FileManager.default.attributesOfItem(atPath: path))?[.size] as? Int) ?? 0 }

    /// kill -9 at random moments, again and again: in the end each result is there once, in order.
    @Test func anExportThatIsKilledAgainAndAgainLosesAndDoublesNothing() async throws {
        let lab = try await WorkerStand()
        let (first, second) = (12_000, 3000)
        _ = try await publish(0..<first, to: lab)
        _ = try await publish(0..<second, to: lab, partition: 1)
        let command = ["results", "--stream", lab.stream, "--export", "results.jsonl"]
        var (kills, tries) = (0, 0)
        while kills < 12, tries < 20 {
            tries += 1
            let program = try lab.stand.start("tanba", command)
            let goal = size(lab.stand("results.jsonl")) + Int.random(in: 1...400_000)
            while program.isRunning, size(lab.stand("results.jsonl")) < goal { usleep(200) }
            program.send(SIGKILL)
            if try await program.ended().signal == SIGKILL {
                kills += 1
            } else if kills > 2 {
                break
            } else {
                // Others had the processors, and it came to its end before it was killed often enough: from the beginning
                try FileManager.default.removeItem(atPath: lab.stand("results.jsonl"))
                kills = 0
            }
        }
        #expect(kills > 2, "it ended before it could be killed")
        let ended = try await lab.stand.run("tanba", command)
        #expect(ended.status == 0 && ended.output.hasSuffix("\(first + second) in results.jsonl\n"), "\(ended)")
        #expect(try sources(lab, "results.jsonl") == [0: Array(0..<Int64(first)), 1: Array(0..<Int64(second))])
    }

    /// A disk that takes no more: an error that names the file, no torn line, and once there is room everything else.
    @Test func aFullDiskIsToldAndLeavesWholeLines() async throws {
        let lab = try await WorkerStand()
        _ = try await publish(0..<3000, to: lab)
        let program = lab.stand.lab.programs + "/tanba"
        let command = "results --stream \(lab.stream) --export results.jsonl"
        // 600 blocks of 1024 bytes; beyond them write(2) answers EFBIG
        let full = try await lab.stand.run("/bin/bash", ["-c", "trap '' XFSZ; ulimit -f 600; exec \(program) \(command)"])
        #expect(full.status == 3 && full.errors.contains("write results.jsonl"), "\(full)")
        let part = try sources(lab, "results.jsonl")[0] ?? []
        #expect(part.count > 100 && part.count < 3000 && part == Array(0..<Int64(part.count)))
        let ended = try await lab.stand.run("tanba", command.split(separator: " ").map(String.init))
        #expect(ended.status == 0, "\(ended)")
        #expect(try sources(lab, "results.jsonl") == [0: Array(0..<3000)])
    }

    /// SIGTERM and SIGINT end it with status 0, refusals or not, and all lines are whole.
    @Test func whoFollowsIsToldWhatComesUntilToldToStop() async throws {
        let lab = try await WorkerStand()
        var lines = try await publish(0..<10, to: lab)
        let printing = try lab.stand.start("tanba", ["results", "--stream", lab.stream, "--follow"])
        let exporting = try lab.stand.start("tanba", ["results", "--stream", lab.stream, "--follow", "--export", "results.jsonl"])
        try await printing.wait(for: "the first results") { printing.outputSoFar.split(separator: "\n").count == 10 }
        lines += try await publish(10..<15, to: lab)
        try await printing.wait(for: "the next results") { printing.outputSoFar.split(separator: "\n").count == 15 }
        try await exporting.wait(for: "the next results") { (try? lab.stand.read("results.jsonl"))?.split(separator: 10).count == 15 }
        let second = try await lab.stand.run("tanba", ["results", "--stream", lab.stream, "--export", "results.jsonl"])
        #expect(second.status == 3 && second.errors.contains("in use"), "\(second)")
        printing.send(SIGTERM)
        exporting.send(SIGINT)
        let (printed, exported) = (try await printing.ended(), try await exporting.ended())
        #expect(printed.status == 0 && printed.output == lines.map { $0 + "\n" }.joined(), "\(printed)")
        #expect(exported.status == 0 && exported.output == "15 results exported, 15 in results.jsonl\n", "\(exported)")
        #expect(try sources(lab, "results.jsonl") == [0: Array(0..<15)])
        // Without --follow refusals are the exit status, as before
        #expect(try await lab.stand.run("tanba", ["results", "--stream", lab.stream]).status == 1)
    }

    /// Signed by a worker, exported, and audited: against the jobs, and by itself where there is no broker.
    @Test func anExportIsAudited() async throws {
        let lab = try await WorkerStand()
        try lab.stand.writeDocuments(6)
        try await lab.enqueue()
        let worker = try lab.startWorker()
        #expect(try await lab.results(of: "package").count == 6)
        try await lab.drain(worker)
        let exported = try await lab.stand.run("tanba", ["results", "--stream", lab.stream, "--export", "results.jsonl"])
        #expect(exported.status == 0, "\(exported)")
        try await lab.stand.audit(["--stream", lab.stream, "--bootstrap", lab.bootstrap, "--export", "results.jsonl"], signed: 6)
        let trust = ["--trust", lab.stand.lab.sandbox + "/pki/ca.pem", "--tsa-trust", lab.stand.lab.sandbox + "/pki/tsa-ca.pem"]
        let alone = ["audit", "--stream", lab.stream, "--export", "results.jsonl"] + trust
        let clean = try await lab.stand.run("tanba-auditor", alone)
        #expect(clean.status == 0 && clean.output.contains("6 signed") && clean.output.contains("1 complete"), "\(clean)")
        let text = String(decoding: try lab.stand.read("results.jsonl"), as: UTF8.self)
        let digest = try #require(text.range(of: #""digest":{"algorithm":"sha256","value":""#)).upperBound
        try lab.stand.write(text.replacingCharacters(in: digest...digest, with: text[digest] == "A" ? "B" : "A"), to: "results.jsonl")
        let forged = try await lab.stand.run("tanba-auditor", alone)
        #expect(forged.status == 1 && forged.output.contains("document-digest-differs"), "\(forged)")
        // The kind of failure is the exit status: what no export is, is a finding too
        let doubled = text + text.split(separator: "\n").last! + "\n"
        for (status, text, stream) in [(Int32(1), doubled, lab.stream), (2, text, "other"), (3, String(text.dropLast()), lab.stream)] {
            try lab.stand.write(text, to: "results.jsonl")
            let ended = try await lab.stand.run("tanba-auditor", ["audit", "--stream", stream, "--export", "results.jsonl"] + trust)
            #expect(ended.status == status && ended.errors.contains("results.jsonl"), "\(ended)")
        }
        // A name or an address that is wrong is the user's to mend, whichever program is told of it.
        let wrong = ["--stream", "no-such-stream"]
        #expect(try await lab.stand.run("tanba", ["results"] + wrong).status == 2)
        #expect(try await lab.stand.run("tanba-auditor", ["audit", "--bootstrap", lab.bootstrap] + wrong + trust).status == 2)
        let spaced = try await lab.stand.run("tanba", ["results", "--stream", "a b"])
        #expect(spaced.status == 2 && spaced.errors.contains("letters, digits"), "\(spaced)")
    }

    @Test(arguments: [
        ["--wait", "--follow", "--package", "p"], ["--export", "f", "--package", "p"], ["--export", "f", "--out", "d"],
        ["--export", "f", "--wait", "--package", "p"],
    ])
    func whatDoesNotGoTogetherIsRefused(_ options: [String]) async throws {
        let stand = try ProgramStand()
        let ended = try await stand.run("tanba", ["results", "--stream", "s"] + options)
        #expect(ended.status == 2 && ended.errors.contains("--"), "\(ended)")
        #expect(!Files.exists(stand("f")))
    }
}
