extension BinaryInteger {
    /// The smallest multiple of `unit` that is not below this number (both positive, and not near the type's end).
    func roundedUp(to unit: Self) -> Self { (self + unit - 1) / unit * unit }

    /// This number divided by `unit`, rounded up.
    func dividedRoundingUp(by unit: Self) -> Self { (self + unit - 1) / unit }
}
