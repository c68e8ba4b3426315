import COpenSSL

extension Certificate {
    /// All certificates of a PEM text, in their order. Text between the blocks and blocks of other kinds are passed over; a block that
    /// is cut off or damaged is an error, and so is a text without any certificate.
    public static func readPEM(_ text: [UInt8]) throws(CryptoError) -> [Certificate] {
        let operation = "read certificates from PEM"
        ErrorQueue.clear()
        var found: [Certificate] = []
        for block in try PEM.blocks(text, operation) where block.label == "CERTIFICATE" {
            found.append(try Certificate(der: block.bytes))
        }
        guard !found.isEmpty else {
            let hint = text.first == 0x30 ? " (it looks like DER)" : ""
            throw CryptoError(operation: operation, reason: "there is no BEGIN CERTIFICATE in it" + hint)
        }
        return found
    }

    /// The certificate in PEM, with a newline at the end.
    public var pem: [UInt8] {
        let written = der.withUnsafeBufferPointer { bytes in
            OpenSSL.text { PEM_write_bio($0, "CERTIFICATE", "", bytes.baseAddress, bytes.count) > 0 }
        }
        guard let written else { preconditionFailure("out of memory") }
        return Array(written.utf8)
    }
}

enum PEM {
    /// The blocks of a PEM text (RFC 7468). The contents of private keys are not handed out.
    static func blocks(_ text: [UInt8], _ operation: String) throws(CryptoError) -> [(label: String, bytes: [UInt8])] {
        var blocks: [(label: String, bytes: [UInt8])] = []
        let failure = text.withUnsafeBufferPointer { buffer -> CryptoError? in
            guard let bio = BIO_new_mem_buf(buffer.baseAddress, Int32(clamping: buffer.count)) else { return ErrorQueue.take(operation) }
            defer { BIO_free(bio) }
            while true {
                var name: UnsafeMutablePointer<CChar>?
                var header: UnsafeMutablePointer<CChar>?
                var data: UnsafeMutablePointer<UInt8>?
                var count = 0
                guard PEM_read_bio(bio, &name, &header, &data, &count) == 1 else {
                    let isEnd = ErrorQueue.newestIs(library: ERR_LIB_PEM, reason: PEM_R_NO_START_LINE)
                    let failure = ErrorQueue.take(operation)
                    return isEnd ? nil : failure
                }
                let label = name.map { String(cString: $0) } ?? ""
                if label == "CERTIFICATE" { blocks.append((label, Array(UnsafeBufferPointer(start: data, count: count)))) }
                CRYPTO_free(name, "", 0)
                CRYPTO_free(header, "", 0)
                CRYPTO_clear_free(data, count, "", 0)
            }
        }
        if let failure { throw failure }
        return blocks
    }
}
