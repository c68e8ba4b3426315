import CMS
import DocumentHashing
import EmbeddedJobLog
import OperatingSystem
import SigningModel
import SigningPipeline

/// Turns documents into jobs of the embedded log, each once.
///
/// A job's id is profile, relative path and digest: a document that was signed and did not change is known by it.
struct FolderFeeder: Sendable {
    let log: EmbeddedJobLog
    let profile: SigningProfile
    let outputs: SignatureOutputs
    let tally: Tally
    /// Documents hashed between two transactions.
    let chunkMax: Int
    /// Jobs that may wait in the log.
    let waitingMax: Int

    func feed(_ documents: [DocumentSet.Document], until interruption: Interruption) async throws {
        let pending = try await log.pendingJobIDs()
        let digest = profile.digest
        var rest = documents[...]
        while !rest.isEmpty, !interruption.isRaised {
            let chunk = rest.prefix(chunkMax)
            rest = rest.dropFirst(chunkMax)
            var jobs: [Job] = []
            for result in await DocumentSet.hash(Array(chunk), with: digest.function) {
                switch result {
                case .failure(let problem): tally.note(problem)
                case .success(let hashed):
                    guard let job = job(for: hashed, digest) else { continue }
                    let (path, isPending) = (hashed.document.relativePath, pending.contains(job.id))
                    // Before the log is asked: what it has not signed then is written after this.
                    if !pending.isEmpty { outputs.claim(path, for: job.id) }
                    if let signed = try await log.signedResult(ofJob: job.id) {
                        try outputs.ensure(signed, for: path, isCounted: !isPending)
                    } else if !isPending {
                        jobs.append(job)
                    }
                }
            }
            guard !interruption.isRaised else { break }
            if !jobs.isEmpty { try await log.append(jobs) }
            while await log.waiting > waitingMax, !interruption.isRaised { try await Task.sleep(for: .milliseconds(5)) }
        }
        await log.finishAppending()
    }

    private func job(for hashed: HashedDocument, _ digest: DigestAlgorithm) -> Job? {
        let path = hashed.document.relativePath
        let id = "\(profile.name)/\(path)#\(digest.name):\(Hexadecimal.text(hashed.digest))"
        guard id.utf8.count <= Bounds.idBytesMax else {
            tally.note(
                DocumentSet.Problem(
                    path: hashed.document.path, reason: "its job id would have \(id.utf8.count) bytes; \(Bounds.idBytesMax) are allowed",
                    remedy: "name a folder nearer to it, so that its relative path is shorter"))
            return nil
        }
        return Job(
            id: id, document: Document(id: path, title: "", name: path, size: Int64(hashed.sizeBytes)),
            digest: DocumentDigest(algorithm: digest, value: hashed.digest),
            profile: profile.name)
    }
}
