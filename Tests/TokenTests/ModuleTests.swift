import PKCS11
import Testing

@Suite(.enabled(if: TokenLab.isAvailable)) struct ModuleTests {
    let lab = TokenLab.shared

    @Test func aModuleIsLoadedOncePerProcess() throws {
        #expect(try Module.load(path: lab.module.path) === lab.module)
    }

    @Test func whatIsNoModuleIsNamedWithTheLoadersReason() throws {
        let missing = #expect(throws: PKCS11Error.self) { try Module.load(path: "/nonexistent/module.so") }
        #expect(missing?.description.contains("/nonexistent/module.so") == true)
        #expect(missing?.remedy.isEmpty == false)
        let other = #expect(throws: PKCS11Error.self) { try Module.load(path: "libm.so.6") }
        #expect(other?.fault == .moduleNotLoadable(path: "libm.so.6", reason: "it has no function C_GetFunctionList"))
    }

    @Test func aTokenIsFoundByItsLabel() throws {
        let info = try lab.module.slot(label: "signing").tokenInfo()
        #expect(info.label == "signing")
        #expect(info.manufacturer == "SoftHSM project")
        #expect(info.flags.isSuperset(of: [.tokenInitialized, .loginRequired, .userPINInitialized]))
        #expect(!info.serialNumber.isEmpty)
    }

    @Test func aMissingLabelIsNamedWithThoseThatAreThere() throws {
        let error = #expect(throws: PKCS11Error.self) { try lab.module.slot(label: "nowhere") }
        guard case .tokenNotFound("nowhere", let seen) = error?.fault else { return #expect(Bool(false), "\(String(describing: error))") }
        #expect(seen.contains("signing"))
        #expect(error?.remedy.contains("\"signing\"") == true)
    }

    @Test func twoTokensWithOneLabelAreRefused() throws {
        let error = #expect(throws: PKCS11Error.self) { try Token(module: lab.module, label: "twin") }
        guard case .tokenAmbiguous("twin", let slots) = error?.fault else { return #expect(Bool(false), "\(String(describing: error))") }
        #expect(slots.count == 2)
    }

    @Test func mechanismsAreListed() throws {
        let mechanisms = try lab.module.slot(label: "signing").mechanisms()
        #expect(mechanisms.contains(.rsaPKCS))
        #expect(mechanisms.contains(.ecdsa))
    }

    @Test func mechanismsSayWhatTheyTake() throws {
        let slot = try lab.module.slot(label: "signing")
        let rsa = try slot.mechanismInfo(.rsaPKCS)
        #expect(rsa.flags.contains(.sign))
        #expect(rsa.keySizeMin <= 2048 && rsa.keySizeMax >= 4096)
        #expect(try slot.mechanismInfo(.rsaPKCSPSS).flags.contains(.sign))
        #expect(try slot.mechanismInfo(.ecKeyPairGen).flags.contains(.generateKeyPair))
        let error = #expect(throws: PKCS11Error.self) { try slot.mechanismInfo(Mechanism(rawValue: 0x8000_1234)) }
        #expect(error?.returnValue == .mechanismInvalid)
    }

    @Test func slotsAreListedWithAndWithoutTokens() throws {
        let slots = try lab.module.slots(empty: true)
        #expect(try Set(lab.module.slots().map(\.id)).isSubset(of: slots.map(\.id)))
        // SoftHSM has one more slot than tokens, for the next one to be initialised.
        let info = try #require(slots.map { try $0.info() }.last)
        #expect(info.description.hasPrefix("SoftHSM slot"))
        #expect(info.manufacturer == "SoftHSM project")
        #expect(info.flags.contains(.tokenPresent))
        #expect(!info.flags.contains(.removableDevice))
        let module = try lab.module.info()
        #expect(module.manufacturer == "SoftHSM")
        #expect(module.version.hasPrefix("2."))
        #expect(module.standard.hasPrefix("2."))
    }
}
