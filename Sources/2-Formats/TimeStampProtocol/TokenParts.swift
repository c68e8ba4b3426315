internal import CMS
internal import DER

/// A token taken apart: a SignedData over a TSTInfo with one signer. Nothing is verified.
struct TokenParts {
    let der: [UInt8]
    let layout: TokenLayout
    /// Where the octets of `info` stand, which the message digest is over.
    let content: Range<Int>
    let info: TSTInfo

    var signer: SignerLayout { layout.signer }

    init(_ der: [UInt8]) throws(TimeStampFault) {
        self.der = der
        do {
            layout = try DERReader.read(der) { try TokenLayout(reading: &$0) }
        } catch let error as NotSignedData {
            throw TimeStampFault(.notAToken, "\(error)")
        } catch {
            throw TimeStampFault(.notDER, "the token is \(error)")
        }
        let isInfo = der.span.extracting(layout.contentType).equals(ObjectIdentifier.tstInfo.encoded)
        guard isInfo, let content = layout.content else {
            let type = Self.read(der, layout.contentType) { try $0.objectIdentifier() }
            throw TimeStampFault(.notAToken, "it signs \(type)\(layout.content == nil ? ", detached" : "")")
        }
        self.content = content
        guard layout.version == layout.requiredVersion else {
            throw TimeStampFault(.signedDataVersion, "\(layout.version) instead of \(layout.requiredVersion)")
        }
        guard layout.signerCount == 1 else { throw TimeStampFault(.signerCount, "\(layout.signerCount) instead of 1") }
        guard layout.signer.version == layout.signer.requiredVersion else {
            throw TimeStampFault(.signerInfoVersion, "\(layout.signer.version) instead of \(layout.signer.requiredVersion)")
        }
        do {
            info = try TSTInfo(der.span.extracting(content), at: content.lowerBound)
        } catch {
            throw TimeStampFault(.notDER, "the TSTInfo is \(error)")
        }
        guard info.version == 1 else { throw TimeStampFault(.infoVersion, "\(info.version) instead of 1") }
        if let identifier = info.criticalExtension { throw TimeStampFault(.extensionCritical, identifier.dotted) }
    }

    // MARK: Octets

    func copy(_ place: Range<Int>) -> [UInt8] { Array(der[place]) }

    func has(_ octets: [UInt8], at place: Range<Int>) -> Bool { der.span.extracting(place).equals(octets) }

    /// Whether the same octets stand in another token.
    func has(_ place: Range<Int>, as other: TokenParts, _ otherPlace: Range<Int>) -> Bool {
        der.span.extracting(place).equals(other.der.span.extracting(otherPlace))
    }

    /// Whether an attribute stands in another token as often, with the same last value.
    func has(_ place: AttributePlace, as other: TokenParts, _ otherPlace: AttributePlace) -> Bool {
        place.count == otherPlace.count && place.valueCount == otherPlace.valueCount && has(place.value, as: other, otherPlace.value)
    }

    /// What stands at a place that was read before as the same type.
    func read<T>(_ place: Range<Int>, _ body: (inout DERReader) throws -> T) -> T { Self.read(der, place, body) }

    private static func read<T>(_ der: [UInt8], _ place: Range<Int>, _ body: (inout DERReader) throws -> T) -> T {
        do {
            return try DERReader.read(der.span.extracting(place), body)
        } catch {
            preconditionFailure("what was DER is \(error)")
        }
    }

    // MARK: What they say

    /// Whether the TSTInfo is over this imprint.
    func states(_ imprint: MessageImprint) -> Bool {
        has(imprint.algorithm.oid.encoded, at: info.imprintAlgorithm.identifier) && hasNoParameters(info.imprintAlgorithm)
            && has(imprint.digest, at: info.imprintDigest)
    }

    func identifier(_ place: AlgorithmPlace) -> AlgorithmIdentifier { read(place.whole) { try AlgorithmIdentifier(reading: &$0) } }

    /// As `AlgorithmIdentifier.hasNoParameters`.
    func hasNoParameters(_ place: AlgorithmPlace) -> Bool {
        place.parameters.isEmpty || has(AlgorithmIdentifier.null, at: place.parameters)
    }
}
