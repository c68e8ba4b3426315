import Testing

@testable import Configuration

/// `readers`, the block about smart card readers.
@Suite struct ReadersTests {
    private static func parse(_ text: String) throws -> TanbaConfiguration {
        try TanbaConfiguration.parse(text, file: "/etc/tanba/tanba.yaml") { _ in nil }
    }

    @Test func theyAreWatchedOrNotOrAsTheMachineIs() throws {
        #expect(try Self.parse("readers: {watch: true}").readers.watch == true)
        #expect(try Self.parse("readers: {watch: false}").readers.watch == false)
        #expect(try Self.parse("worker: {id: one}").readers.watch == nil)
    }

    @Test(arguments: ["readers: {watch: perhaps}", "readers: {watch: [true]}", "readers: {watched: true}", "readers: true"])
    func aFaultIsNamed(_ text: String) throws {
        let error = #expect(throws: ConfigurationError.self) { try Self.parse(text) }
        #expect(error?.line == 1 && error?.reason.hasPrefix("readers") == true, "\(error?.description ?? "")")
    }
}
