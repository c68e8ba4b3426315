/// The bounds of what stands in a stream, in bytes. Part of the published format (docs/schemas/).
public enum Bounds {
    /// A job record's value.
    public static let jobBytesMax = 65_536
    /// A job's `attributes`, as they stand in the job.
    public static let attributesBytesMax = 4_096
    /// A result record's value.
    public static let resultBytesMax = 262_144
    /// The UTF-8 of `job`, `package.id` and `document.id`; at least 1.
    public static let idBytesMax = 1_024
    /// Integers in jobs and results: what every reader of JSON takes without loss (RFC 7493, 2.2).
    public static let integerMax: Int64 = 9_007_199_254_740_991
    /// A value among a refusal's parameters; a longer one is cut and ends with an ellipsis.
    public static let parameterBytesMax = 256
}
