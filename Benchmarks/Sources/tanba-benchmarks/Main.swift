import Foundation

/// Benchmarks/run sets the scene and calls this; see there.
@main struct Main {
    static let measures: [(name: String, run: @Sendable (String, Effort, Scene) async throws -> Outcome)] = [
        ("cms-assembly", measureAssembly),
        ("hashing", measureHashing),
        ("token-rsa2048", { try await measureToken($0, .rsa2048, $1, $2) }),
        ("token-p256", { try await measureToken($0, .p256, $1, $2) }),
        ("signer-rsa2048", { try await measureSigner($0, .rsa2048, checked: false, $1, $2) }),
        ("signer-rsa2048-checked", { try await measureSigner($0, .rsa2048, checked: true, $1, $2) }),
        ("signer-p256", { try await measureSigner($0, .p256, checked: false, $1, $2) }),
        ("signer-p256-checked", { try await measureSigner($0, .p256, checked: true, $1, $2) }),
        ("knee", measureKnee),
        ("four-tokens", measureFourTokens),
        ("dead-neighbour", measureDeadNeighbour),
        ("pipeline-embedded-rsa2048", { try await measurePipeline($0, .rsa2048, $1, $2) }),
        ("pipeline-embedded-p256", { try await measurePipeline($0, .p256, $1, $2) }),
        ("timestamp-rsa2048", { try await measureTimeStamp($0, .rsa2048, $1, $2) }),
        ("timestamp-p256", { try await measureTimeStamp($0, .p256, $1, $2) }),
        ("timestamp-rate", measureTimeStampRate),
        ("json", measureJSON),
        ("kafka-rsa2048", { try await measureKafka($0, .rsa2048, $1, $2) }),
        ("kafka-p256", { try await measureKafka($0, .p256, $1, $2) }),
        ("kafka-backlog-cpu", measureBacklogCPU),
        ("kafka-backlog-memory", measureBacklogMemory),
        ("kafka-workers-2", { try await measureWorkers($0, 2, $1, $2) }),
        ("kafka-workers-4", { try await measureWorkers($0, 4, $1, $2) }),
    ]

    static func main() async {
        do {
            let options = try Options(CommandLine.arguments.dropFirst())
            let scene = try Scene()
            var outcomes: [Outcome] = []
            var isAnySkipped = false
            print(
                "CPU microseconds per document, signatures or timestamps a second (/s), or MB of memory; ratio 1: as fast as the reference, less: slower; median and quartiles of "
                    + "\(options.effort.rounds) rounds (/s: of fewer)"
            )
            print(row("measure", "ours", "reference", "ratio", "spread", "reference is; beside it"))
            for (name, run) in measures where try options.takes(name) {
                do {
                    let outcome = try await run(name, options.effort, scene)
                    outcomes.append(outcome)
                    print(text(outcome))
                } catch let skipped as Skipped {
                    isAnySkipped = true
                    print("\(name)  SKIPPED: \(skipped.reason)")
                }
                fflush(nil)
            }
            if outcomes.isEmpty, !isAnySkipped {
                throw Usage(description: "no measure matches; there are \(measures.map(\.name).joined(separator: ", "))")
            }
            if let path = options.json { try json(outcomes).write(to: URL(fileURLWithPath: path)) }
        } catch let error as Usage {
            FileHandle.standardError.write(Data("benchmarks: \(error)\n".utf8))
            exit(2)
        } catch {
            FileHandle.standardError.write(Data("benchmarks: \(error)\n".utf8))
            exit(3)
        }
    }

    private static func text(_ outcome: Outcome) -> String {
        var beside = outcome.beside.map { "\($0.name) \(digits($0.microseconds))" }
        beside += outcome.remarks
        if let rates = outcome.rates { beside.append(String(format: "%.0f of %.0f documents/s", rates.ours, rates.reference)) }
        return row(
            outcome.measure, digits(outcome.ours, outcome.unit), digits(outcome.reference, outcome.unit), String(format: "%.3f", outcome.ratio),
            String(format: "%.3f-%.3f", outcome.spread.0, outcome.spread.1), ([outcome.referenceName] + beside).joined(separator: "; "))
    }

    private static func row(_ columns: String...) -> String {
        let widths = [26, 10, 10, 7, 12, 0]
        return zip(columns, widths).enumerated().map { index, column in
            let padding = String(repeating: " ", count: max(0, column.1 - column.0.count))
            return index == 0 || index == 5 ? column.0 + padding : padding + column.0
        }.joined(separator: "  ")
    }

    private static func digits(_ number: Double, _ unit: Outcome.Unit = .microseconds) -> String {
        switch unit {
        case .rate: String(format: "%.0f/s", number)
        case .megabytes: String(format: "%.1f MB", number)
        case .microseconds: String(format: number < 100 ? "%.2f" : "%.1f", number)
        }
    }

    private struct Line: Encodable {
        let measure: String
        let ours, reference, ratio: Double
        let unit: String
    }

    private static func json(_ outcomes: [Outcome]) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return try encoder.encode(
            outcomes.map {
                Line(measure: $0.measure, ours: $0.ours, reference: $0.reference, ratio: $0.ratio, unit: $0.unit.rawValue)
            })
    }
}

struct Usage: Error, CustomStringConvertible { let description: String }

private struct Options {
    var effort = Effort.full
    var json: String?
    private var only: String?

    init(_ arguments: ArraySlice<String>) throws {
        var rest = arguments
        while let argument = rest.popFirst() {
            switch argument {
            case "--quick": effort = .quick
            case "--only", "--json":
                guard let value = rest.popFirst() else { throw Usage(description: "\(argument) needs a value") }
                if argument == "--only" { only = value } else { json = value }
            default: throw Usage(description: "unknown option \(argument)")
            }
        }
    }

    func takes(_ name: String) throws -> Bool {
        guard let only else { return true }
        do { return try name.contains(Regex(only)) } catch { throw Usage(description: "--only \(only) is no regular expression") }
    }
}
