extension UInt64 {
    /// 2⁶⁴ divided by the golden ratio, as an odd number. Its multiples modulo 2⁶⁴ are spread evenly.
    static let goldenRatio: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// A bijective hash of this number: flipping one input bit flips about half of the output bits.
    var mixed: UInt64 {
        let product = (self ^ (self >> 32)) &* Self.goldenRatio
        return product ^ (product >> 29)
    }
}
