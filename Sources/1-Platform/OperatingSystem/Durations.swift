extension Duration {
    /// With their fraction, as logs, metrics and arithmetic want them.
    public var seconds: Double { self / .seconds(1) }
}
