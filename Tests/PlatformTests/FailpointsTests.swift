import Failpoints
import Foundation
import Testing

@Suite struct FailpointsTests {
    @Test func namesAreKebabCaseAndDiffer() {
        #expect(Set(Failpoint.all.map(\.rawValue)).count == Failpoint.all.count)
        for point in Failpoint.all { #expect(point.rawValue.wholeMatch(of: /[a-z]+(-[a-z]+)+/) != nil) }
        for call in [
            "init-transactions", "subscribe", "committed", "read-ledger", "assign", "poll", "pause", "resume", "begin", "produce-results",
            "produce-ledger", "send-offsets", "commit", "abort", "seek", "unassign", "unsubscribe", "close",
        ] {
            #expect(Failpoint(rawValue: "kafka-before-" + call) != nil)
            #expect(Failpoint(rawValue: "kafka-after-" + call) != nil)
        }
    }

    @Test(.enabled(if: Failpoint.areBuiltIn, "SKIPPED: this build has no failpoints (--traits Failpoints)"))
    func theProcessEndsAtTheNamedPassing() async {
        await #expect(processExitsWith: .signal(SIGKILL)) {
            setenv("TANBA_FAILPOINT", "sign-before", 1)
            Failpoint.signAfter.pass()
            Failpoint.signBefore.pass()
            exit(0)
        }
        await #expect(processExitsWith: .signal(SIGKILL)) {
            setenv("TANBA_FAILPOINT", "sign-before:3", 1)
            for _ in 0..<3 { Failpoint.signBefore.pass() }
            exit(0)
        }
        await #expect(processExitsWith: .exitCode(7)) {
            setenv("TANBA_FAILPOINT", "sign-before:3", 1)
            for _ in 0..<2 { Failpoint.signBefore.pass() }
            for _ in 0..<9 { Failpoint.signAfter.pass() }
            exit(7)
        }
        await #expect(processExitsWith: .exitCode(7)) {
            for point in Failpoint.all { point.pass() }
            exit(7)
        }
    }

    /// A process in the background sends SIGCONT once this one is stopped (T): without it the test would wait for ever, and without the stop it
    /// would not be sent.
    @Test(.enabled(if: Failpoint.areBuiltIn, "SKIPPED: this build has no failpoints (--traits Failpoints)"))
    func theProcessStopsAtTheNamedPassingUntilItIsContinued() async {
        await #expect(processExitsWith: .exitCode(7)) {
            setenv("TANBA_FAILPOINT", "stop:sign-before:2", 1)
            let alarm = Process()
            alarm.executableURL = URL(fileURLWithPath: "/bin/sh")
            let script = "while kill -0 $0; do grep -q '^State:.T' /proc/$0/status && exec kill -CONT $0; sleep 0.02; done; exit 1"
            alarm.arguments = ["-c", script, "\(getpid())"]
            Failpoint.signBefore.pass()
            try alarm.run()
            Failpoint.signBefore.pass()
            alarm.waitUntilExit()
            Failpoint.signBefore.pass()
            exit(alarm.terminationStatus == 0 ? 7 : 1)
        }
    }

    @Test(.enabled(if: Failpoint.areBuiltIn, "SKIPPED: this build has no failpoints (--traits Failpoints)"))
    func aNameThatDoesNotExistIsAnError() async throws {
        let result = await #expect(processExitsWith: .exitCode(2), observing: [\.standardErrorContent]) {
            setenv("TANBA_FAILPOINT", "sign-befor", 1)
            Failpoint.signBefore.pass()
            exit(0)
        }
        let text = String(decoding: try #require(result?.standardErrorContent), as: UTF8.self)
        #expect(text.contains("TANBA_FAILPOINT=sign-befor is not [stop:]NAME[:N]; the names are: intake-before-receive, "))
        await #expect(processExitsWith: .exitCode(2)) {
            setenv("TANBA_FAILPOINT", "sign-before:0", 1)
            Failpoint.signBefore.pass()
            exit(0)
        }
    }

    @Test(.enabled(if: !Failpoint.areBuiltIn, "SKIPPED: this build has failpoints"))
    func aReleaseStopsNowhere() async {
        await #expect(processExitsWith: .exitCode(7)) {
            for point in Failpoint.all {
                setenv("TANBA_FAILPOINT", point.rawValue, 1)
                point.pass()
            }
            exit(7)
        }
    }
}
