import Failpoints
import Kafka
import Log
import SigningModel
import SigningPipeline

// From nothing to a member of the group.
extension KafkaJobLog {
    /// The session, opened if there is none. Bounded by `patience` a step; a step that was taken is not taken again.
    func openSession() throws(JobLogError) -> TransactSession {
        if let session { return session }
        // The producer first: once it is the only one of its id, nothing that a predecessor left open can change the positions.
        if opening == nil { opening = try makeProducer() }
        let producer = opening!
        try checkTopics(producer)
        do throws(KafkaError) {
            Failpoint.kafkaBeforeInitTransactions.pass()
            try producer.initTransactions(within: settings.patience)
            Failpoint.kafkaAfterInitTransactions.pass()
        } catch {
            let trouble = trouble("begin", error)
            if error.disposition != .retry { opening = nil }  // only what librdkafka calls retriable can be resumed
            throw trouble
        }
        if let denial { try proveRights(producer, after: denial) }
        let session = try attempt("join the group") { () throws(KafkaError) in
            let consumer = try Consumer(
                properties: clientSettings.consumer(group: topics.group, member: settings.isStaticMember ? settings.worker : nil),
                log: Self.sink(of: report))
            Failpoint.kafkaBeforeSubscribe.pass()
            try consumer.subscribe(to: [topics.jobs])
            Failpoint.kafkaAfterSubscribe.pass()
            return TransactSession(consumer: consumer, producer: producer, patience: settings.patience)
        }
        opening = nil
        isStandingBy = false
        incidents = []
        hasServed = true
        self.session = session
        report.info(
            "kafka-joined", "waiting for partitions", [("group", .text(topics.group)), ("bootstrap", .text(settings.bootstrap))])
        return session
    }

    /// Leaves the group, so that other workers get the partitions, or joins it again.
    func standBy(_ leaves: Bool, _ session: TransactSession) throws(JobLogError) {
        try attempt(leaves ? "leave the group" : "join the group") { () throws(KafkaError) in
            guard leaves else { return try session.consumer.subscribe(to: [topics.jobs]) }
            Failpoint.kafkaBeforeUnsubscribe.pass()
            try session.consumer.unsubscribe()
            Failpoint.kafkaAfterUnsubscribe.pass()
        }
        isStandingBy = leaves
        report.info(leaves ? "kafka-standing-by" : "kafka-joined", "", [("group", .text(topics.group))])
        guard leaves else { return }
        dropped.formUnion(partitions.keys)
        partitions = [:]
        awaited = nil
        mustSeek = false
        metrics.show(partitions.values)
    }

    /// Does with the topics what a worker does, and takes it back: nothing else tells of all rights. Found out with jobs in hand, they would be
    /// signed for nothing, and the group would suffer two rebalances, at every try.
    private func proveRights(_ producer: Producer, after denied: KafkaError) throws(JobLogError) {
        var what = ""
        do throws(KafkaError) {
            for topic in [topics.jobs, topics.ledger] {
                what = "read \(topic)"
                let reader = try Reader(properties: clientSettings.reader(isolation: "read_committed"), log: Self.sink(of: report))
                try reader.start(at: [KafkaPosition(topic, KafkaPartition(0), .beginning)])
                if case .failure(let error, _) = reader.poll(for: settings.patience), error.isDenied { throw error }
            }
            let transaction = try producer.begin()
            for topic in [topics.results, topics.ledger] {
                what = "write to \(topic)"
                try transaction.produce(to: topic, KafkaPartition(0), key: nil, value: [])
                try producer.flush(within: settings.patience)
                guard transaction.takeFailures().isEmpty else { throw denied }
            }
            try transaction.abort(within: settings.patience)
            denial = nil
        } catch {
            opening = nil
            throw trouble(what, error)
        }
    }

    /// All three topics are there, with one partition count. Asking also spares the first transaction a wait of a second, in which
    /// a connected producer of 2.0.2 finds out about topics it has not heard of.
    private func checkTopics(_ client: KafkaClient) throws(JobLogError) {
        var counts: [Int] = []
        for topic in [topics.jobs, topics.results, topics.ledger] {
            counts.append(
                try attempt("find the topic \(topic)") { () throws(KafkaError) in
                    try client.partitionCount(of: topic, within: settings.patience)
                })
        }
        guard Set(counts).count == 1 else {
            let list = counts.map(String.init).joined(separator: ", ")
            throw JobLogError(
                .misconfigured, reason: "\(topics.jobs), \(topics.results) and \(topics.ledger) have \(list) partitions",
                remedy: "make a new stream whose topics have one partition count: it must never change")
        }
        partitionCount = counts[0]
    }
}
