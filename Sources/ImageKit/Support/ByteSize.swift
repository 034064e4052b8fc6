/// Sizes in bytes as people write and read them. The units are powers of 1024.
public enum ByteSize {
    /// Reads `"30M"`, `"1G"`, `"512K"`, `"4096"` (also `"30MiB"`, `"30m"`). The units are B, K, M, G and T.
    ///
    /// - Returns: bytes, at most 2^63 − 1; `nil` if `text` is not such a size.
    public static func parse(_ text: String) -> UInt64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = UInt64(digits) else { return nil }
        let shift: UInt64
        switch text.dropFirst(digits.count).lowercased() {
        case "", "b": shift = 0
        case "k", "kib": shift = 10
        case "m", "mib": shift = 20
        case "g", "gib": shift = 30
        case "t", "tib": shift = 40
        default: return nil
        }
        let (value, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
        return overflow || value > UInt64(Int64.max) ? nil : value
    }

    /// Formats a size with a binary unit: `"2.61 GiB"`, `"64 MiB"`, `"912 B"`.
    ///
    /// The number has three significant digits, rounded down (four from 1000 to 1023), or no decimals if it is whole.
    public static func format(_ bytes: UInt64) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        var unit = 0
        var scale: UInt64 = 1
        while bytes / scale >= 1024, unit < units.count - 1 {
            scale <<= 10
            unit += 1
        }
        if unit == 0 || bytes % scale == 0 { return "\(bytes / scale) \(units[unit])" }
        let whole = bytes / scale
        let decimals = whole >= 100 ? 0 : whole >= 10 ? 1 : 2
        let power: UInt64 = decimals == 0 ? 1 : decimals == 1 ? 10 : 100
        let divisor: UInt64 = scale > 1 << 40 ? 1 << 20 : 1  // keeps the product of the next line in 64 bits
        let fraction = (bytes % scale) / divisor * power / (scale / divisor)
        if decimals == 0 { return "\(whole) \(units[unit])" }
        return "\(whole).\(fraction.digits(radix: 10, width: decimals)) \(units[unit])"
    }
}
