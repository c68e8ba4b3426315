// swift-tools-version: 6.2
import PackageDescription

// What Tanba costs, beside what the same work costs without it. A package of its own, so that nobody who builds Tanba builds this.
let package = Package(
    name: "benchmarks",
    dependencies: [.package(name: "tanba", path: "..")],
    targets: [
        .target(name: "CBare", linkerSettings: [.linkedLibrary("crypto"), .linkedLibrary("dl"), .linkedLibrary("pthread")]),
        .executableTarget(
            name: "tanba-benchmarks", dependencies: ["CBare", .product(name: "TanbaInternals", package: "tanba")],
            swiftSettings: [.treatAllWarnings(as: .error)]),
    ]
)
