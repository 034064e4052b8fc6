extension BinaryInteger {
    /// The number's digits, padded with leading zeros to `width`.
    package func digits(radix: Int = 16, width: Int, uppercase: Bool = false) -> String {
        let digits = String(self, radix: radix, uppercase: uppercase)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
