/// Names what kind of card or token has an ATR.
///
/// Only for people: nothing is decided by it, since an ATR tells of the chip and its settings and anyone may copy one. The table holds
/// what is publicly known of the tokens that Kazakhstan's certification centre issues keys on; its sources are named beside each:
///
/// * **list**: smartcard_list.txt of pcsc-tools (pcsc-tools.apdu.fr), ATRs that users sent in,
/// * **OpenSC**: the tables of its drivers (card-idprime.c, card-muscle.c).
///
/// No ATR of **aKey** is publicly known, so it is not here. Nor is the contactless side of Kazakhstan's identity card: the ATR in the list
/// is made up by the reader from a number that the card chooses anew (PUPI, ISO/IEC 14443-3), and the next one would not have it.
public enum CardKind {
    /// The kind's name, such as `Kaztoken`; nil where the table does not have it.
    public static func name(ofATR answerToReset: [UInt8]) -> String? { table.first { $0.matches(answerToReset) }?.name }

    /// The kind's name, or where it is not known the ATR: `card 3B 00`. For a card without ATR `card that does not answer`.
    public static func text(forATR answerToReset: [UInt8]) -> String {
        if answerToReset.isEmpty { return "card that does not answer" }
        return name(ofATR: answerToReset) ?? "card " + hex(answerToReset)
    }

    /// Capital digits, bytes apart, as lists of ATRs write them.
    public static func hex(_ answerToReset: [UInt8]) -> String {
        answerToReset.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined(separator: " ")
    }

    struct Pattern: Sendable {
        let name: String
        let bytes: [UInt8]
        /// Bits that count.
        let mask: [UInt8]

        /// - Parameter text: hexadecimal digits, bytes apart; a dot for a digit that may be any, as the list writes it.
        init(_ text: String, _ name: String) {
            func value(_ pair: Substring, _ digit: (Character) -> Int?) -> UInt8 {
                pair.reduce(0) { $0 << 4 | UInt8(digit($1)!) }
            }
            let pairs = text.split(separator: " ")
            self.name = name
            bytes = pairs.map { value($0) { $0 == "." ? 0 : $0.hexDigitValue } }
            mask = pairs.map { value($0) { $0 == "." ? 0 : 15 } }
        }

        func matches(_ answerToReset: [UInt8]) -> Bool {
            answerToReset.count == bytes.count && answerToReset.indices.allSatisfy { answerToReset[$0] & mask[$0] == bytes[$0] }
        }
    }

    /// The first that matches counts, so the narrower stand first.
    static let table: [Pattern] = [
        // list. The historical bytes are the text KAZTOKEN
        Pattern("3B 88 01 4B 41 5A 54 4F 4B 45 4E 82", "Kaztoken"),
        Pattern("3B 98 96 00 4B 41 5A 54 4F 4B 45 4E", "Kaztoken SC"),
        // list. The historical bytes are the text SOMA-c007-DS1, and a letter
        Pattern("3B 3E 95 00 53 4F 4D 41 2D 63 30 30 37 2D 44 53 31 61", "Kazakhstan identity card"),
        Pattern("3B 3E 95 00 53 4F 4D 41 2D 63 30 30 37 2D 44 53 31 62", "Kazakhstan identity card"),
        // list
        Pattern("3B FA 18 00 FF 80 31 FE 45 00 31 80 73 94 41 00 00 90 00 90", "Kazakhstan identity card (2022)"),
        // list. The last bytes before the check byte differ from model to model
        Pattern("3B DC 18 FF 81 91 FE 1F C3 80 73 C8 21 13 66 01 06 11 59 00 01 28", "JaCarta PKI"),
        Pattern("3B DC 18 FF 81 11 FE 80 73 C8 21 13 66 01 06 01 30 80 01 8D", "JaCarta LT"),
        // list; the second also OpenSC, card-muscle.c (eToken PRO 72K, which NCALayer calls AKEToken72KStore)
        Pattern("3B E2 00 FF C1 10 31 FE 55 C8 02 9C", "eToken PRO"),
        Pattern("3B D5 18 00 81 31 3A 7D 80 73 C8 21 10 30", "eToken PRO 72K"),
        Pattern("3B D5 18 00 81 31 FE 7D 80 73 C8 21 10 F4", "eToken (Java)"),
        // list; the first two also OpenSC, card-idprime.c
        Pattern("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 85 59 56 FB 12 0F FE 82 90 00 00", "eToken 5110"),
        Pattern("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 85 59 56 FB 12 01 78 82 90 00 88", "eToken 5110"),
        Pattern("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 84 56 51 10 12 01 78 82 90 00 6A", "eToken 5300"),
        Pattern("3B FF 96 00 00 81 31 FE 43 80 31 80 65 B0 88 66 6B 39 12 01 78 82 90 00 45", "eToken Fusion NFC"),
        // OpenSC, card-idprime.c, with its masks: the interface's speed, the chip's and the firmware's numbers and the check byte vary
        Pattern("3B FF .. 00 00 81 31 .. 43 80 31 80 65 B0 84 .. .. .. 12 01 78 82 90 00 ..", "eToken 5110+ FIPS"),
        Pattern("3B FF .. 00 00 81 31 FE 43 80 31 80 65 B0 .. .. .. .. 12 0. .. 82 90 00 ..", "eToken 5110 or IDPrime 940"),
    ]
}
