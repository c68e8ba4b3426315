import DocumentHashing
import JSON
import OperatingSystem
import SigningModel

/// What became of the documents of one run. Problems and refusals are told on standard error as they come.
final class Tally: Sendable {
    private struct Counts {
        var signed = 0
        var alreadySigned = 0
        var refused = 0
        var problems = 0

        var all: Int { signed + alreadySigned + refused + problems }
    }

    private let counts = Locked(Counts())
    private let progress: ProgressLine

    init(progress: ProgressLine) { self.progress = progress }

    func signed() { count { $0.signed += 1 } }
    func alreadySigned() { count { $0.alreadySigned += 1 } }

    func refused(_ document: String, _ refusal: Refusal) {
        count { $0.refused += 1 }
        tell("\(document): \(refusal.message) \(refusal.remedy)")
    }

    func note(_ problem: DocumentSet.Problem) {
        count { $0.problems += 1 }
        tell("\(problem.path): \(problem.reason); \(problem.remedy)")
    }

    struct Summary {
        var signed: Int
        var alreadySigned: Int
        var refused: Int
        var problems: Int
        var skippedOutputs: Int
        var seconds: Double
        /// Sum of the time that jobs spent in each stage.
        var stages: [(stage: String, jobs: Int, seconds: Double)]

        var documentsPerSecond: Double { seconds > 0 ? Double(signed) / seconds : 0 }

        func text(out: String) -> String {
            var text = "\(signed) signed"
            if alreadySigned > 0 { text += ", \(alreadySigned) signed before" }
            if refused > 0 { text += ", \(refused) refused" }
            if problems > 0 { text += ", \(problems) not signed" }
            if skippedOutputs > 0 { text += ", \(skippedOutputs) own outputs left out" }
            return text + ", in \(Self.rounded(seconds)) s (\(Int(documentsPerSecond))/s); signatures in \(out)\n"
        }

        var json: String {
            var writer = JSONWriter()
            writer.beginObject()
            for (name, value) in [
                ("signed", signed), ("alreadySigned", alreadySigned), ("refused", refused), ("problems", problems),
                ("skippedOutputs", skippedOutputs),
            ] {
                writer.key(name)
                writer.integer(Int64(value))
            }
            writer.key("seconds")
            writer.number(seconds)
            writer.key("documentsPerSecond")
            writer.number(documentsPerSecond)
            writer.key("stages")
            writer.beginObject()
            for (stage, jobs, seconds) in stages {
                writer.key(stage)
                writer.beginObject()
                writer.key("jobs")
                writer.integer(Int64(jobs))
                writer.key("seconds")
                writer.number(seconds)
                writer.endObject()
            }
            writer.endObject()
            writer.endObject()
            return String(decoding: writer.bytes, as: UTF8.self) + "\n"
        }

        private static func rounded(_ seconds: Double) -> String { "\((seconds * 10).rounded() / 10)" }
    }

    func summary(seconds: Double, skippedOutputs: Int, stages: [(stage: String, jobs: Int, seconds: Double)]) -> Summary {
        counts.withLock { counts in
            Summary(
                signed: counts.signed, alreadySigned: counts.alreadySigned, refused: counts.refused, problems: counts.problems,
                skippedOutputs: skippedOutputs, seconds: seconds, stages: stages)
        }
    }

    private func count(_ change: (inout Counts) -> Void) {
        let all = counts.withLock { counts in
            change(&counts)
            return counts.all
        }
        progress.advance(to: all)
    }

    private func tell(_ text: String) {
        progress.clear()
        StandardStreams.writeError("tanba: \(text)\n")
    }
}
