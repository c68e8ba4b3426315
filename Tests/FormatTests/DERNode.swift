import CMS
import DER
import LibCrypto

/// A DER element taken apart for breaking it: change tags, contents, order or number of children, then encode it again. Lengths are
/// written anew and nothing is sorted.
struct DERNode: Hashable {
    var tag: UInt8
    /// Of a primitive element.
    var content: [UInt8] = []
    /// Of a constructed one.
    var children: [DERNode] = []
    /// Stands for the whole element when set: for what no writer would write.
    var raw: [UInt8]?

    init(_ tag: DERTag, content: [UInt8] = [], children: [DERNode] = []) {
        self.tag = tag.rawValue
        self.content = content
        self.children = children
    }

    init(_ der: [UInt8]) {
        self = try! DERReader.read(der) { try DERNode(reading: &$0) }
    }

    private init(reading der: inout DERReader) throws {
        tag = der.nextTag!.rawValue
        if DERTag(rawValue: tag).isConstructed {
            children = try der.sequenceOf(DERTag(rawValue: tag)) { try DERNode(reading: &$0) }
        } else {
            content = try der.octetString(DERTag(rawValue: tag))
        }
    }

    var encoded: [UInt8] {
        if let raw { return raw }
        let inside = DERTag(rawValue: tag).isConstructed ? children.flatMap(\.encoded) : content
        return [tag] + DERLength.octets(inside.count) + inside
    }

    /// The element reached by these child numbers.
    subscript(path: Int...) -> DERNode {
        get { path.reduce(self) { $0.children[$1] } }
        set { set(path[...], newValue) }
    }

    private mutating func set(_ path: ArraySlice<Int>, _ node: DERNode) {
        guard let first = path.first else {
            self = node
            return
        }
        children[first].set(path.dropFirst(), node)
    }
}

/// A signature file or a token, broken in one place and signed again, so that nothing else is wrong with it.
struct BrokenSignature {
    /// The ContentInfo.
    var file: DERNode

    init(_ der: [UInt8]) {
        file = DERNode(der)
    }

    var signedData: DERNode {
        get { file[1, 0] }
        set { file[1, 0] = newValue }
    }

    /// The only SignerInfo, behind the other fields of SignedData.
    var signerInfo: DERNode {
        get { signedData.children.last!.children[0] }
        set { signedData.children[signedData.children.count - 1].children[0] = newValue }
    }

    /// `[0]`, the third of the SignerInfo after version, sid and digestAlgorithm.
    var signedAttributes: DERNode {
        get { signerInfo[3] }
        set { signerInfo[3] = newValue }
    }

    /// The number of an attribute among the signed ones.
    func index(of type: ObjectIdentifier) -> Int {
        signedAttributes.children.firstIndex { $0[0].encoded == type.encoded }!
    }

    /// The one value of a signed attribute.
    subscript(_ type: ObjectIdentifier) -> DERNode {
        get { signedAttributes[index(of: type), 1, 0] }
        set { signedAttributes[index(of: type), 1, 0] = newValue }
    }

    mutating func sortSignedAttributes() {
        signedAttributes.children.sort { $0.encoded.lexicographicallyPrecedes($1.encoded) }
    }

    /// Signs the attributes as they stand, in their order.
    mutating func sign(with signer: TestSigner) throws {
        var attributes = signedAttributes.encoded
        attributes[0] = DERTag.set.rawValue
        let algorithm = signer.algorithm()
        signerInfo[5].content = try signer.sign(algorithm.digest.function.digest(attributes), algorithm)
    }

    var encoded: [UInt8] { file.encoded }
}
