import DocumentHashing
import EmbeddedJobLog
import Failpoints
import OperatingSystem
import SigningModel

/// Writes the signatures of committed results to their files.
///
/// The log is the truth and the files are made from it: a file that a crash left out is written by the next run.
struct SignatureOutputs: Sendable {
    let log: EmbeddedJobLog
    let folder: SignatureFolder
    let tally: Tally
    private let hasEnded = Locked(false)
    /// The job whose signature the file of a document must have, where another may come of it. Held while a file is written.
    private let claims = Locked<[String: String]>([:])

    init(log: EmbeddedJobLog, folder: SignatureFolder, tally: Tally) {
        self.log = log
        self.folder = folder
        self.tally = tally
    }

    /// No further results come.
    func pipelineEnded() { hasEnded.withLock { $0 = true } }

    /// Writes every result from a position on, until the pipeline ended.
    func follow(from first: Offset) async throws {
        var next = first
        while !Task.isCancelled {
            let isLast = hasEnded.withLock { $0 }
            let results = try await log.results(from: next, limit: 256)
            for value in results {
                let result = try JobResult.read(value)
                switch result.outcome {
                case .signed(let signature, _, _):
                    let path = result.documentID ?? ""
                    let isWritten = try claims.withLock { claims in
                        claims[path] == nil || claims[path] == result.job ? try write(signature.value, for: path) : true
                    }
                    if isWritten { tally.signed() }
                case .refused(let refusal): tally.refused(result.documentID ?? result.job ?? "a job", refusal)
                case .duplicate: tally.alreadySigned()
                }
            }
            next = Offset(next.rawValue + Int64(results.count))
            if results.isEmpty {
                if isLast { return }
                try await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    /// Tells which job's signature the file of a document must have, whatever others are in the log: an interrupted run may have left
    /// jobs of the document as it was then. They are signed, and do not get the file.
    func claim(_ relativePath: String, for job: String) { claims.withLock { $0[relativePath] = job } }

    /// The file of a document whose job is signed already; written when it is missing or another.
    ///
    /// - Parameter isCounted: false when `follow` counts the job.
    func ensure(_ value: [UInt8], for relativePath: String, isCounted: Bool) throws {
        guard case .signed(let signature, _, _) = try JobResult.read(value).outcome else { return }
        let isWritten = try claims.withLock { _ in try write(signature.value, for: relativePath) }
        if isCounted, isWritten { tally.alreadySigned() }
    }

    /// - Returns: false when the file cannot be written: told, and the others go on. The signature stays in the log.
    /// - Throws: when no file could be written, as on a full disk.
    private func write(_ contentInfo: [UInt8], for relativePath: String) throws -> Bool {
        Failpoint.outputBeforeWrite.pass()
        do {
            try folder.write(contentInfo, for: relativePath)
        } catch let error as SystemError where error.isOfTheDisk {
            throw error
        } catch {
            tally.note(
                DocumentSet.Problem(
                    path: relativePath, reason: "its signature cannot be written: \(error)", remedy: "rename it, or make room, and run this again"))
            return false
        }
        Failpoint.outputAfterWrite.pass()
        return true
    }
}
