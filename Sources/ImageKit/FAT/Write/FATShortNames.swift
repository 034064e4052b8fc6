/// The short names of one directory: assigns each name a unique short name.
struct FATShortNames {
    /// Short names that differ only in a number with a fixed count of digits.
    private struct Family: Hashable {
        var start: [UInt8]
        var rest: [UInt8]
        var digits: Int
    }

    private var used: Set<[UInt8]> = []
    /// The number with which the search for a free name of a family continues.
    private var next: [Family: Int] = [:]

    /// The short names for all names of a directory, in the same order. Names that are short themselves are assigned
    /// first, so that no numbered name can conflict with them. The result depends on the names and their order alone.
    ///
    /// No two names may have the same key, and there may be no more names than a directory can hold.
    static func assign(_ names: [FATName]) -> [[UInt8]] {
        var all = FATShortNames()
        for name in names {
            switch name.short {
            case .same(let short, _), .upperCased(let short): all.used.insert(short)
            case .numbered: break
            }
        }
        return names.map { name in
            switch name.short {
            case .same(let short, _), .upperCased(let short): short
            case .numbered(let base, let rest): all.number(base, rest)
            }
        }
    }

    /// The free name with the lowest number. The search continues where the last one for the same family ended, so that
    /// thousands of similar names cost no more than different ones.
    private mutating func number(_ base: [UInt8], _ rest: [UInt8]) -> [UInt8] {
        var lowest = 1
        while true {
            let digits = String(lowest).utf8.count
            let start = base.prefix(max(0, 7 - digits))
            let family = Family(start: Array(start), rest: rest, digits: digits)
            var candidate = next[family] ?? lowest
            while candidate < lowest * 10 {
                let short = FATName.padded(start + [UInt8(ascii: "~")] + String(candidate).utf8, rest)
                candidate += 1
                if used.insert(short).inserted {
                    next[family] = candidate
                    return short
                }
            }
            next[family] = candidate
            lowest *= 10
        }
    }
}
