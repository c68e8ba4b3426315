import Glibc

/// The fault shim in this process (Tests/FaultShim), as far as measures tell it what to do.
struct Shim {
    private let setKnee: @convention(c) (UnsafePointer<CChar>, CDouble, CInt) -> Void
    private let setRemoved: @convention(c) (UnsafePointer<CChar>, CUnsignedLong) -> Void

    init(_ scene: Scene) throws {
        guard let library = dlopen(scene.shim, RTLD_NOW | RTLD_LOCAL), let knee = dlsym(library, "shim_knee"),
            let remove = dlsym(library, "shim_remove")
        else { throw Usage(description: "the fault shim \(scene.shim) is not there") }
        setKnee = unsafeBitCast(knee, to: type(of: setKnee))
        setRemoved = unsafeBitCast(remove, to: type(of: setRemoved))
    }

    func knee(of label: String, milliseconds: Double, width: Int) { setKnee(label, milliseconds, CInt(width)) }

    func remove(_ label: String, _ isAway: Bool) { setRemoved(label, isAway ? 0xE0 : 0) }  // CKR_TOKEN_NOT_PRESENT
}
