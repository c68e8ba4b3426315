// swift-tools-version: 6.2
import PackageDescription

// Drivers for libFuzzer, which comes with the toolchain. A package of its own: `run` builds it, and Tanba under it, with the
// instrumentation of coverage and addresses, which nobody else wants.
let package = Package(
    name: "fuzz",
    dependencies: [.package(name: "tanba", path: "..")],
    targets: [
        .target(name: "CFuzzer"),
        .target(name: "FuzzKit", dependencies: ["CFuzzer"]),
        .fuzzer("fuzz-der"),
        .fuzzer("fuzz-signatures"),
        .fuzzer("fuzz-json"),
        .fuzzer("fuzz-jobs"),
    ]
)

extension Target {
    static func fuzzer(_ name: String) -> Target {
        .executableTarget(
            name: name, dependencies: ["FuzzKit", .product(name: "TanbaFormats", package: "tanba")],
            // lld, because gold warns hundreds of times about the coverage sections
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address", "-use-ld=lld"])])
    }
}
