import CLinux

/// The kernel's random numbers, fit for keys and nonces.
public enum Randomness {
    /// That many random bytes, from getrandom(2).
    public static func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            let result = clinux_random(buffer.baseAddress, count)
            precondition(result == 0, "getrandom: errno \(-result)")
            initialized = count
        }
    }
}
