extension BinaryInteger {
    /// The digits of a number that is not negative, padded with leading zeros to `width` characters.
    package func digits(radix: Int = 16, width: Int, uppercase: Bool = false) -> String {
        let digits = String(self, radix: radix, uppercase: uppercase)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
