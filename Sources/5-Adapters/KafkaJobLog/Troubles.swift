import Kafka
import Log
import SigningPipeline

// How librdkafka's errors are told to people.
extension KafkaJobLog {
    /// Makes a call of the wrapper's. An error that waiting may mend is thrown as `.unavailable`, after a fatal one both clients are
    /// dropped; the rest is `.misconfigured` until the session was open once and `.unavailable` later, when somebody may be at work on it.
    func attempt<R>(_ what: String, _ call: () throws(KafkaError) -> R) throws(JobLogError) -> R {
        do throws(KafkaError) { return try call() } catch {
            // The second fatal error within a minute is thrown by `fall`; after the first the next call makes new clients.
            if error.isFatal, session != nil { try fall(error) }
            let trouble = trouble(what, error)
            if error.code == .topicAuthorizationFailed, session != nil { leave(because: error) }
            throw trouble
        }
    }

    func trouble(_ what: String, _ error: KafkaError) -> JobLogError {
        noteIncidents()
        let trouble = KafkaTrouble(error, incidents: recentIncidents)
        let mayPass = hasServed || trouble.mayPass
        var told = trouble.error(
            mayPass ? .unavailable : .misconfigured, "stream \(stream): cannot \(what)", bootstrap: settings.bootstrap,
            rights: topics.workersRights)
        if hasServed, let cause = trouble.cause, cause.isRefusal { told.remedy += "; \(credentials.remedy(for: cause))" }
        return told
    }

    /// Fetches what librdkafka reported by itself.
    func noteIncidents() {
        let clients: [KafkaClient?] = [session?.consumer, session?.producer, opening]
        for client in clients.compactMap({ $0 }) {
            (client as? Producer)?.poll(for: .zero)
            for incident in client.takeIncidents() { note(incident) }
        }
        for incident in ledgerReader?.takeIncidents() ?? [] { note(incident) }
    }

    /// Asks whether a broker is back. Who only waits for jobs would not notice that none can come.
    func lookForBrokers(_ session: TransactSession) throws(JobLogError) {
        try serveGroup(session)
        try attempt("reach the brokers") { () throws(KafkaError) in
            _ = try session.producer.partitionCount(of: topics.jobs, within: min(settings.patience, .seconds(2)))
        }
        areBrokersDown = false
    }

    /// Keeps an incident for a while, as the likely cause of what fails next.
    func note(_ incident: KafkaError) {
        report.debug("kafka-incident", incident.description, [("code", .text(incident.name))])
        if incident.code == .allBrokersDown { areBrokersDown = true }
        incidents.append((ContinuousClock.now, incident))
        if incidents.count > 16 { incidents.removeFirst() }
    }

    var recentIncidents: [KafkaError] {
        let oldest = ContinuousClock.now - .seconds(60)
        return incidents.filter { $0.at > oldest }.map(\.error)
    }

    /// librdkafka's own log, as events of ours.
    nonisolated static func sink(of report: Log) -> @Sendable (KafkaLogLine) -> Void {
        { line in
            // Consumer's settings mean nothing to a producer and the other way round; the user sets them once for both.
            if line.facility == "CONFWARN", line.text.contains("will be ignored by this") { return }
            // Why a broker's certificate is not taken is told as an incident; this says every second that it is so.
            if line.facility == "SSLCERTVRFY" { return }
            let fields: [(String, LogValue)] = [("facility", .text(line.facility))]
            switch line.severity {
            case ...2: report.error("kafka-client", line.text, fields)
            case 3...4: report.warning("kafka-client", line.text, fields)
            case 5...6: report.info("kafka-client", line.text, fields)
            default: report.debug("kafka-client", line.text, fields)
            }
        }
    }
}

extension KafkaTrouble {
    func error(_ kind: JobLogError.Kind, _ what: String, bootstrap: String, rights: String) -> JobLogError {
        JobLogError(kind, reason: "\(what): \(sentence)", remedy: remedy(bootstrap: bootstrap, rights: rights))
    }
}
