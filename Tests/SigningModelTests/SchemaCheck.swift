import Foundation

/// As much of JSON Schema 2020-12 as docs/schemas uses; an unknown keyword is an error, so that none is silently passed over.
struct SchemaCheck {
    private let root: [String: Any]

    static func page(_ name: String) throws -> String {
        let here = URL(fileURLWithPath: #filePath)
        let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: root.appendingPathComponent("docs/schemas/\(name)"), encoding: .utf8)
    }

    init(_ name: String) throws {
        let object = try JSONSerialization.jsonObject(with: Data(Self.page(name).utf8))
        root = object as? [String: Any] ?? [:]
    }

    var examples: [Any] { root["examples"] as? [Any] ?? [] }

    /// The first fault, or nil.
    func fault(_ value: Any) throws -> String? { try fault(value, root, "") }

    func fault(_ text: [UInt8]) throws -> String? {
        try fault(try JSONSerialization.jsonObject(with: Data(text), options: [.fragmentsAllowed]))
    }

    private struct UnknownKeyword: Error { let keyword: String }

    private func fault(_ value: Any, _ schema: Any, _ path: String) throws -> String? {
        if let isAllowed = schema as? Bool { return isAllowed ? nil : "\(path): not allowed" }
        guard let schema = schema as? [String: Any] else { return "\(path): no schema" }
        for (keyword, argument) in schema {
            if let fault = try fault(value, schema, keyword, argument, path) { return fault }
        }
        return nil
    }

    private func fault(_ value: Any, _ schema: [String: Any], _ keyword: String, _ argument: Any, _ path: String) throws -> String? {
        let object = value as? [String: Any]
        let text = value as? String
        let number = value as? NSNumber
        switch keyword {
        case "$schema", "$id", "$defs", "title", "description", "examples": return nil
        case "$ref":
            let name = (argument as? String)?.replacing("#/$defs/", with: "") ?? ""
            return try fault(value, (root["$defs"] as? [String: Any])?[name] ?? false, path)
        case "type": return Self.isOf(argument as? String ?? "", value) ? nil : "\(path): not of type \(argument)"
        case "const": return (value as? NSObject) == (argument as? NSObject) ? nil : "\(path): not \(argument)"
        case "enum": return (argument as? [NSObject] ?? []).contains { $0 == value as? NSObject } ? nil : "\(path): not one of \(argument)"
        case "required":
            guard let object else { return nil }
            return (argument as? [String] ?? []).first { object[$0] == nil }.map { "\(path).\($0): missing" }
        case "properties":
            guard let object else { return nil }
            for (name, part) in argument as? [String: Any] ?? [:] {
                if let member = object[name], let fault = try fault(member, part, "\(path).\(name)") { return fault }
            }
            return nil
        case "additionalProperties":
            let known = schema["properties"] as? [String: Any] ?? [:]
            for (name, member) in object ?? [:] where known[name] == nil {
                if let fault = try fault(member, argument, "\(path).\(name)") { return fault }
            }
            return nil
        case "oneOf":
            let count = try (argument as? [Any] ?? []).filter { try fault(value, $0, path) == nil }.count
            return count == 1 ? nil : "\(path): keeps \(count) of the alternatives"
        case "minimum": return number.map { $0.doubleValue >= (argument as! NSNumber).doubleValue } ?? true ? nil : "\(path): too small"
        case "maximum": return number.map { $0.doubleValue <= (argument as! NSNumber).doubleValue } ?? true ? nil : "\(path): too large"
        case "minLength": return text.map { $0.unicodeScalars.count >= argument as! Int } ?? true ? nil : "\(path): too short"
        case "maxLength": return text.map { $0.unicodeScalars.count <= argument as! Int } ?? true ? nil : "\(path): too long"
        case "pattern":
            guard let text else { return nil }
            let regex = try NSRegularExpression(pattern: argument as! String)
            return regex.firstMatch(in: text, range: NSRange(text.startIndex..., in: text)) != nil ? nil : "\(path): not as \(argument)"
        default: throw UnknownKeyword(keyword: keyword)
        }
    }

    private static func isOf(_ type: String, _ value: Any) -> Bool {
        let isBoolean = (value as? NSNumber).map { String(cString: $0.objCType) == "c" } ?? false
        switch type {
        case "object": return value is [String: Any]
        case "array": return value is [Any]
        case "string": return value is String
        case "null": return value is NSNull
        case "boolean": return isBoolean
        case "integer": return !isBoolean && (value as? NSNumber).map { $0.doubleValue.rounded() == $0.doubleValue } ?? false
        default: return false
        }
    }
}
