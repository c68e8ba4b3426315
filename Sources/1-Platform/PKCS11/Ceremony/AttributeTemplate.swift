internal import CPKCS11

/// The attributes that an object is searched for or made with.
struct AttributeTemplate {
    private var values: [(type: CK_ATTRIBUTE_TYPE, bytes: [UInt8])] = []

    mutating func set(_ type: UInt, bytes: [UInt8]) { values.append((CK_ATTRIBUTE_TYPE(type), bytes)) }
    mutating func set(_ type: UInt, number: UInt) { set(type, bytes: withUnsafeBytes(of: CK_ULONG(number)) { Array($0) }) }
    mutating func set(_ type: UInt, _ isTrue: Bool) { set(type, bytes: [isTrue ? UInt8(CK_TRUE) : UInt8(CK_FALSE)]) }

    /// Lends the template; its pointers hold within the body only.
    func lend(_ body: (UnsafeMutablePointer<CK_ATTRIBUTE>?, CK_ULONG) -> CK_RV) -> CK_RV {
        var arena = values.flatMap(\.bytes)
        return arena.withUnsafeMutableBytes { memory in
            var offset = 0
            var attributes: [CK_ATTRIBUTE] = []
            for (type, bytes) in values {
                attributes.append(
                    CK_ATTRIBUTE(type: type, pValue: memory.baseAddress.map { $0 + offset }, ulValueLen: CK_ULONG(bytes.count)))
                offset += bytes.count
            }
            return attributes.withUnsafeMutableBufferPointer { body($0.baseAddress, CK_ULONG($0.count)) }
        }
    }
}
