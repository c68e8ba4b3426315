import CBare
import DocumentHashing
import Foundation
import LibCrypto

/// SHA-256 of files of 1 to 100 KiB, from the page cache: `DocumentSet.hash` beside a bare loop over open, read and EVP.
func measureHashing(_ measure: String, _ effort: Effort, _ scene: Scene) async throws -> Outcome {
    let count = effort.documents(10_000)
    let folder = scene.folder + "/documents"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try makeFiles(count, in: folder)
    let documents = DocumentSet(paths: [folder], output: nil).documents
    guard documents.count == count else { throw BareToken.Failure(description: "\(documents.count) of \(count) documents were found") }
    let paths = documents.map { strdup($0.path) }
    defer { for path in paths { free(path) } }
    let constants = paths.map { UnsafePointer($0) }
    var digests = [UInt8](repeating: 0, count: 32 * count)

    // Both hash the same before it counts how fast.
    guard bare_hash_files(constants, Int32(count), &digests) == 0 else {
        throw BareToken.Failure(description: "the bare hashing loop failed")
    }
    for (index, hashed) in await DocumentSet.hash(documents, with: .sha256).enumerated() {
        guard try hashed.get(named: "hash").digest.elementsEqual(digests[(32 * index)..<(32 * index + 32)]) else {
            throw BareToken.Failure(description: "the digests of \(documents[index].path) differ")
        }
    }
    return try await measurePairs(
        measure, effort: effort, documents: count,
        ours: Side(name: "DocumentSet.hash") { consume(await DocumentSet.hash(documents, with: .sha256)) },
        reference: Side(name: "open, read, EVP in a C loop") { _ = bare_hash_files(constants, Int32(count), &digests) },
        beside: [
            Side(name: "sha256sum", clock: { bare_children_cpu_us() }) { try sha256sum(documents.map(\.path)) }
        ])
}

private func makeFiles(_ count: Int, in folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var content = Data((0..<(100 << 10)).map { UInt8(truncatingIfNeeded: $0 &* 131) })
    for number in 0..<count {
        content[0] = UInt8(number & 255)
        content[1] = UInt8(number >> 8)
        // 7919 is prime to 100, so all sizes come equally often
        let size = (1 + number &* 7919 % 100) << 10
        try content.prefix(size).write(to: URL(fileURLWithPath: "\(folder)/\(number).bin"))
    }
}

private func sha256sum(_ paths: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
    process.arguments = paths
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
}

extension Result where Failure == DocumentSet.Problem {
    fileprivate func get(named step: String) throws -> Success {
        switch self {
        case .success(let value): value
        case .failure(let problem): throw BareToken.Failure(description: "\(step) \(problem.path): \(problem.reason)")
        }
    }
}
