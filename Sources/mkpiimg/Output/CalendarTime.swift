import ImageKit

/// A time in UTC, as text.
///
/// The conversion is `civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
struct CalendarTime {
    /// The date and the time of day in hours and minutes, such as `1970-01-01 00:00`.
    let text: String

    /// - Parameter seconds: since 1970-01-01 00:00 UTC; negative before that, and at least `Int64.min + 86_399`.
    init(_ seconds: Int64) {
        let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let second = seconds - days * 86_400
        // In a year that begins in March, the leap day is the last day. All eras of 400 years have the same length.
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let day = shifted - era * 146_097
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365
        let dayOfYear = day - (365 * year + year / 4 - year / 100)
        let month = (5 * dayOfYear + 2) / 153
        let dayOfMonth = dayOfYear - (153 * month + 2) / 5 + 1
        let civilMonth = month < 10 ? month + 3 : month - 9
        let civilYear = year + era * 400 + (civilMonth <= 2 ? 1 : 0)
        func two(_ number: Int64) -> String { number.digits(radix: 10, width: 2) }
        text =
            "\(civilYear.digits(radix: 10, width: 4))-\(two(civilMonth))-\(two(dayOfMonth)) "
            + "\(two(second / 3600)):\(two(second / 60 % 60))"
    }
}
