internal import CMS
internal import DER

/// A token taken apart: a SignedData over a TSTInfo with one signer. Nothing is verified.
struct TokenParts {
    let der: [UInt8]
    let signedData: SignedData
    let signerInfo: SignerInfo
    /// The octets of `info`, which the message digest is over.
    let content: [UInt8]
    let info: TSTInfo

    init(_ der: [UInt8]) throws(TimeStampFault) {
        self.der = der
        do {
            // Whoever made the token chose the order of its certificates; only the hashed attributes must be in DER's (RFC 5652, 5.4)
            signedData = try SignedData(file: der, order: .whereHashed)
        } catch let error as NotSignedData {
            throw TimeStampFault(.notAToken, "\(error)")
        } catch {
            throw TimeStampFault(.notDER, "the token is \(error)")
        }
        let encapsulated = signedData.encapContentInfo
        guard encapsulated.contentType == .tstInfo, let content = encapsulated.content else {
            throw TimeStampFault(.notAToken, "it signs \(encapsulated.contentType)\(encapsulated.content == nil ? ", detached" : "")")
        }
        self.content = content
        guard signedData.version == signedData.requiredVersion else {
            throw TimeStampFault(.signedDataVersion, "\(signedData.version) instead of \(signedData.requiredVersion)")
        }
        guard signedData.signerInfos.count == 1 else {
            throw TimeStampFault(.signerCount, "\(signedData.signerInfos.count) instead of 1")
        }
        signerInfo = signedData.signerInfos[0]
        guard signerInfo.version == signerInfo.sid.signerInfoVersion else {
            throw TimeStampFault(.signerInfoVersion, "\(signerInfo.version) instead of \(signerInfo.sid.signerInfoVersion)")
        }
        do {
            info = try TSTInfo(der: content)
        } catch {
            throw TimeStampFault(.notDER, "the TSTInfo is \(error)")
        }
        guard info.version == 1 else { throw TimeStampFault(.infoVersion, "\(info.version) instead of 1") }
        if let identifier = info.criticalExtensions.first { throw TimeStampFault(.extensionCritical, identifier.dotted) }
    }
}
