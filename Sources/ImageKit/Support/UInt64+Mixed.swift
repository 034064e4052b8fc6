extension UInt64 {
    /// 2⁶⁴ divided by the golden ratio: the multiples of this odd number are spread evenly.
    static let goldenRatio: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// A number that differs in about half of its bits where this one differs in one, and nowhere the same for two.
    var mixed: UInt64 {
        let product = (self ^ (self >> 32)) &* Self.goldenRatio
        return product ^ (product >> 29)
    }
}
