/// A date and time in the form of FAT: local time in steps of two seconds, from 1980 to 2107.
///
/// ```
///   date   ├ year − 1980 : 7 ┤ month : 4 ┤ day : 5 ┤       time   ├ hour : 5 ┤ minute : 6 ┤ seconds / 2 : 5 ┤
/// ```
struct FATTime {
    let date: UInt16
    let time: UInt16

    /// Makes a time from the two fields.
    init(date: UInt16, time: UInt16) {
        self.date = date
        self.time = time
    }

    /// Makes a time from its parts. Odd seconds are rounded down, and values outside of a field's range are cut off.
    init(_ year: UInt16, _ month: UInt16, _ day: UInt16, _ hour: UInt16, _ minute: UInt16, _ second: UInt16) {
        date = (year &- 1980) << 9 | (month & 15) << 5 | (day & 31)
        time = hour << 11 | (minute & 63) << 5 | (second / 2 & 31)
    }

    /// The time of every file and directory of an image: 2000-01-01 00:00:00, as in NixOS' images.
    static let entries = FATTime(2000, 1, 1, 0, 0, 0)
    /// The time of every volume label: 2015-03-14 09:26:52, which `mkfs.vfat --invariant` writes.
    static let label = FATTime(2015, 3, 14, 9, 26, 52)

    /// Seconds since 1970, if the time is UTC, as Linux assumes when the clock's zone is UTC. An impossible month or
    /// day counts as the nearest possible one.
    var seconds: Int64 {
        let month = min(max(Int64(date >> 5 & 15), 1), 12)
        let day = max(Int64(date & 31), 1)
        // Years begin in March, so that the leap day is the last day.
        let year = 1980 + Int64(date >> 9) - (month < 3 ? 1 : 0)
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        let days = year * 365 + year / 4 - year / 100 + year / 400 + dayOfYear - 719_468
        return days * 86_400 + Int64(time >> 11) * 3600 + Int64(time >> 5 & 63) * 60 + Int64(time & 31) * 2
    }
}
