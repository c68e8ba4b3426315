import Metrics
import OperatingSystem
import SigningPipeline
import TimeStampProtocol

extension AuthorityGroup {
    typealias Answer = (index: Int, result: Result<AuthorityAnswer, TimeStampAuthorityError>)

    /// Sends the request, and a second one elsewhere when the first takes long.
    func request(_ imprint: MessageImprint, _ turn: Turn) async -> Answer {
        guard let hedgeAfter else { return (turn.index, await governors[turn.index].ask(imprint, turn.ticket)) }
        let race = Race()
        race.run(turn.index) { [governor = governors[turn.index]] in await governor.ask(imprint, turn.ticket) }
        let hedge = Task { [clock] in
            try await clock.sleep(hedgeAfter)
            guard !race.isOver, let second = self.second(besides: turn.index) else { return }
            race.run(second.index) { [governor = governors[second.index]] in await governor.ask(imprint, second.ticket) }
        }
        let answer = await withTaskCancellationHandler {
            await race.answer()
        } onCancel: {
            hedge.cancel()
            race.cancel()
        }
        hedge.cancel()
        if let second = race.second {
            hedges.add(1, governors[second].name, answer.index == second ? "won" : "lost")
        }
        return answer
    }

    private func second(besides first: Int) -> Turn? {
        for index in governors.indices where index != first {
            if case .taken(let ticket) = governors[index].take(isPromised: false) { return Turn(index: index, ticket: ticket) }
        }
        return nil
    }
}

/// Up to two requests for one stamp: the first good answer is the answer, else the last bad one. Who loses runs on by itself, and tells
/// its governor how it went.
private final class Race: Sendable {
    private struct State {
        var running = 0
        var first: Int?
        var second: Int?
        var answer: AuthorityGroup.Answer?
        var waiting: CheckedContinuation<AuthorityGroup.Answer, Never>?
        var tasks: [Task<Void, Never>] = []
    }

    private let state = Locked(State())

    var isOver: Bool { state.withLock { $0.answer != nil } }
    var second: Int? { state.withLock { $0.second } }

    func run(_ index: Int, _ work: @escaping @Sendable () async -> Result<AuthorityAnswer, TimeStampAuthorityError>) {
        state.withLock { state in
            state.running += 1
            if state.first == nil { state.first = index } else { state.second = index }
            state.tasks.append(Task { self.finish(index, await work()) })
        }
    }

    func answer() async -> AuthorityGroup.Answer {
        await withCheckedContinuation { continuation in
            let answer = state.withLock { state in
                if state.answer == nil { state.waiting = continuation }
                return state.answer
            }
            if let answer { continuation.resume(returning: answer) }
        }
    }

    /// Ends the requests; then their answers are that they were cancelled.
    func cancel() { for task in state.withLock({ $0.tasks }) { task.cancel() } }

    private func finish(_ index: Int, _ result: Result<AuthorityAnswer, TimeStampAuthorityError>) {
        let waiting = state.withLock { state -> CheckedContinuation<AuthorityGroup.Answer, Never>? in
            state.running -= 1
            guard state.answer == nil else { return nil }
            if case .failure = result, state.running > 0 { return nil }
            state.answer = (index, result)
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(returning: (index, result))
    }
}
