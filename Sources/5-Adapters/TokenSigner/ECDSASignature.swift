/// SEQUENCE { INTEGER r, INTEGER s } (RFC 3279, 2.2.3) from r and s, each half of the bytes, unsigned, most significant byte first.
///
/// nil where the bytes cannot be halved, or for curves beyond 521 bits.
func derSequence(ofRAndS raw: [UInt8]) -> [UInt8]? {
    let half = raw.count / 2
    guard raw.count > 0, raw.count == 2 * half, half <= 66 else { return nil }
    let r = significant(raw, from: 0, to: half)
    let s = significant(raw, from: half, to: raw.count)
    let content = 2 + r.count + (raw[r.lowerBound] >> 7 == 1 ? 1 : 0) + 2 + s.count + (raw[s.lowerBound] >> 7 == 1 ? 1 : 0)
    var der: [UInt8] = []
    der.reserveCapacity(content + 3)
    der.append(0x30)
    if content >= 0x80 { der.append(0x81) }
    der.append(UInt8(content))
    for number in [r, s] {
        let isHigh = raw[number.lowerBound] >> 7 == 1
        der.append(0x02)
        der.append(UInt8(number.count + (isHigh ? 1 : 0)))
        if isHigh { der.append(0) }
        der.append(contentsOf: raw[number])
    }
    return der
}

/// The bytes without leading zeros; one byte at least.
private func significant(_ raw: [UInt8], from start: Int, to end: Int) -> Range<Int> {
    var first = start
    while first < end - 1, raw[first] == 0 { first += 1 }
    return first..<end
}
