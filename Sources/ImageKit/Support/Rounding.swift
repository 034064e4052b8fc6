extension BinaryInteger {
    /// The smallest multiple of `unit` that is not below this number (both positive, and not near the type's end).
    func roundedUp(to unit: Self) -> Self { (self + unit - 1) / unit * unit }

    /// This number divided by `unit`, rounded up.
    func dividedRoundingUp(by unit: Self) -> Self { (self + unit - 1) / unit }
}

extension UInt64 {
    /// The product, or the largest number there is.
    func multipliedClamping(by factor: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }
}

extension UInt64 {
    /// The sum, or the largest number there is.
    func addingClamping(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

extension Range<UInt64> {
    /// From its beginning to its end.
    var length: UInt64 { upperBound - lowerBound }
}
