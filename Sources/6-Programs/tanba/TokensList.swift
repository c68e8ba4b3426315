import CommandLineOptions
import FoundationEssentials
import JSON
import LibCrypto
import OperatingSystem
import SigningModel
import TokenCeremony

/// `tanba tokens list`: what is in the slots.
struct TokensListCommand {
    static let declaration = Command(
        "list", arguments: "", summary: "list slots, tokens, keys and certificates",
        options: [.configuration, .token, .module, .tokenLabel, .slot, .pin, .json],
        examples: [
            Example("tanba tokens list", "the tokens of the configuration, each entered with its PIN"),
            Example("tanba tokens list --module /usr/lib/softhsm/libsofthsm2.so", "every slot of a module, without a PIN"),
        ])

    private let modules: [(path: String, environment: [String: String], places: [TokenPlace])]
    private let isOnlyNamed: Bool
    private let isJSON: Bool

    init(_ invocation: Invocation) throws {
        modules = try invocation.tokenModules()
        isOnlyNamed = ["token", "label", "slot"].contains { invocation.value($0) != nil }
        isJSON = invocation.flag("json")
    }

    func run() throws -> ExitStatus {
        var inventories: [TokenInventory] = []
        for module in modules {
            inventories.append(
                try TokenInventory(
                    module: module.path, environment: module.environment, places: module.places, onlyThese: isOnlyNamed, now: Date()))
        }
        StandardStreams.writeOut(isJSON ? json(inventories) : inventories.map(\.text).joined(separator: "\n"))
        return inventories.allSatisfy(\.isHealthy) ? .done : .refused
    }

    private func json(_ inventories: [TokenInventory]) -> String {
        var writer = JSONWriter()
        writer.beginObject()
        writer.array("modules", inventories) { writer, inventory in inventory.write(to: &writer) }
        writer.endObject()
        return String(decoding: writer.finish(), as: UTF8.self) + "\n"
    }
}

// MARK: - For people

extension TokenInventory {
    fileprivate var text: String {
        ([module] + problems.map { "  PROBLEM: " + $0 } + tokens.flatMap(\.lines)).map { shown($0) + "\n" }.joined()
    }
}

extension TokenDescription {
    fileprivate var lines: [String] {
        var lines = ["  slot \(slot): " + (isInitialised ? "token \"\(label)\"" : "a token") + (reader.isEmpty ? "" : ", in \(reader)")]
        if !conditions.isEmpty { lines.append("    " + conditions.joined(separator: ", ")) }
        let made = [model, serialNumber.isEmpty ? "" : "serial \(serialNumber)", manufacturer.isEmpty ? "" : "by \(manufacturer)"]
        lines.append(
            "    " + (made + [sessionsMax.map { "at most \($0) sessions" } ?? "no limit of sessions"]).filter { !$0.isEmpty }.joined(separator: ", "))
        lines.append("    signs by " + (signs.isEmpty ? "nothing that is known here" : signs.joined(separator: ", ")))
        if !makes.isEmpty { lines.append("    makes keys " + makes.joined(separator: ", ")) }
        for key in keys {
            lines.append("    key \(key.id) \"\(key.label)\": \(key.words)")
            lines += certificates.filter { $0.id == key.id }.map { "      " + $0.words }
        }
        let alone = certificates.filter { certificate in !keys.contains { $0.id == certificate.id } }
        lines += alone.map { "    without a key that is seen, \($0.id): " + $0.words }
        if isInitialised, !isLoggedIn { lines.append("    private keys are seen after a login only") }
        return lines + problems.map { "    PROBLEM: " + $0 }
    }
}

extension KeyDescription {
    var words: String {
        var words = [kind]
        if !isPrivate { words.append("public half only") }
        if let isMadeInside, isPrivate { words.append(isMadeInside ? "made inside" : "brought from outside") }
        if let isExtractable { words.append(isExtractable ? "CAN LEAVE the token" : "cannot leave the token") }
        return words.joined(separator: ", ")
    }
}

extension CertificateDescription {
    fileprivate var words: String {
        let end = UTCTimestamp.text(certificate.notAfter)
        let left = hasEnded ? "ended \(end)" : "until \(end), \(daysLeft) days left"
        let fit = fitsKey.map { $0 ? ", of this key" : ", NOT of this key" } ?? ""
        return "certificate of \(certificate.subject), \(left)\(fit)"
    }
}

/// Labels and names come from tokens, and go to a terminal.
func shown(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "\u{FFFD}" : $0 }))
}

// MARK: - For programs

extension TokenInventory {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.text("module", module)
        writer.array("problems", problems) { $0.string($1) }
        writer.array("tokens", tokens) { $1.write(to: &$0) }
        writer.endObject()
    }
}

extension TokenDescription {
    fileprivate func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("slot")
        writer.integer(Int64(clamping: slot))
        for (key, value) in [
            ("reader", reader), ("label", label), ("manufacturer", manufacturer), ("model", model), ("serialNumber", serialNumber),
        ] { writer.text(key, value) }
        writer.key("initialised")
        writer.boolean(isInitialised)
        writer.key("sessionsMax")
        if let sessionsMax { writer.integer(Int64(sessionsMax)) } else { writer.null() }
        writer.key("loggedIn")
        writer.boolean(isLoggedIn)
        writer.array("conditions", conditions) { $0.string($1) }
        writer.array("signs", signs) { $0.string($1) }
        writer.array("makes", makes) { $0.string($1) }
        writer.array("keys", keys) { $1.write(to: &$0) }
        writer.array("certificates", certificates) { writer, certificate in
            writer.beginObject()
            writer.text("id", certificate.id)
            writer.text("label", certificate.label)
            writer.text("subject", certificate.certificate.subject)
            writer.text("issuer", certificate.certificate.issuer)
            writer.text("serialNumber", certificate.certificate.serialNumberHex)
            writer.text("notBefore", UTCTimestamp.text(certificate.certificate.notBefore))
            writer.text("notAfter", UTCTimestamp.text(certificate.certificate.notAfter))
            writer.key("daysLeft")
            writer.integer(Int64(certificate.daysLeft))
            writer.optional("fitsKey", certificate.fitsKey)
            writer.endObject()
        }
        writer.array("problems", problems) { $0.string($1) }
        writer.endObject()
    }
}

extension KeyDescription {
    func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.text("id", id)
        writer.text("label", label)
        writer.text("kind", kind)
        writer.optional("private", isPrivate)
        writer.optional("extractable", isExtractable)
        writer.optional("madeInside", isMadeInside)
        writer.endObject()
    }
}

extension JSONWriter {
    mutating func text(_ name: String, _ value: String) {
        key(name)
        string(value)
    }

    /// null for nil.
    mutating func optional(_ name: String, _ value: Bool?) {
        key(name)
        if let value { boolean(value) } else { null() }
    }

    mutating func array<T>(_ name: String, _ items: [T], _ write: (inout JSONWriter, T) -> Void) {
        key(name)
        beginArray()
        for item in items { write(&self, item) }
        endArray()
    }
}
