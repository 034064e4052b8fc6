extension BinaryInteger {
    /// The smallest multiple of `unit` that is not below this number. The number must not be negative, `unit` must be
    /// positive, and the sum of both must not overflow.
    func roundedUp(to unit: Self) -> Self { (self + unit - 1) / unit * unit }

    /// This number divided by `unit`, rounded up. The number must not be negative, `unit` must be positive, and the sum
    /// of both must not overflow.
    func dividedRoundingUp(by unit: Self) -> Self { (self + unit - 1) / unit }
}

extension UInt64 {
    /// The product; the largest `UInt64` if it overflows.
    func multipliedClamping(by factor: UInt64) -> UInt64 {
        let (product, overflow) = multipliedReportingOverflow(by: factor)
        return overflow ? .max : product
    }

    /// The sum; the largest `UInt64` if it overflows.
    func addingClamping(_ other: UInt64) -> UInt64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

extension Range<UInt64> {
    /// The number of values in the range, usually bytes or blocks.
    var length: UInt64 { upperBound - lowerBound }
}
