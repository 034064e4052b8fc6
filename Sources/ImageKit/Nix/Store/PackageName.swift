/// What a store path's name says: the package, its version, and which of its outputs it is.
///
/// ```
///   bash-interactive-5.2p32-man
///   └ package ─────┘ └ ver ┘ └ output
/// ```
///
/// The version begins after the first dash that no letter follows, as `builtins.parseDrvName` has it. It ends before
/// words that stand last and are no part of a version: names of outputs, and what builders put behind (`-modules`).
/// A name says all this only by custom, so it serves to show what belongs together and for nothing else.
public struct PackageName: Hashable, Sendable {
    /// The package: `bash-interactive`.
    public let package: String
    /// The version: `5.2p32`; `nil` where the name has none.
    public let version: String?
    /// What follows the version: `man`, `modules-shrunk`; `nil` where nothing does.
    public let output: String?

    /// Words that belong to a version although they have no digit.
    private static let versionWords: Set<Substring> = [
        "alpha", "beta", "final", "git", "master", "nightly", "post", "pre", "rc", "release", "snapshot", "stable",
        "unstable",
    ]
    /// Words with digits that are names of outputs.
    private static let outputWords: Set<Substring> = ["lib32", "lib64"]

    /// Takes a store path's name apart.
    public init(_ name: some StringProtocol) {
        let parts = name.split(separator: "-", omittingEmptySubsequences: false)
        // The first part is the package's, whatever it begins with.
        let start = parts.indices.dropFirst().first { !Self.beginsWithLetter(parts[$0]) && !parts[$0].isEmpty }
        guard let start else {
            (package, version, output) = (String(name), nil, nil)
            return
        }
        let words = parts[start...].reversed().prefix { Self.isOutputWord(String($0)) }
        let end = parts.endIndex - words.count
        package = parts[..<start].joined(separator: "-")
        // What stands at the start is no word, so a version is never empty.
        version = parts[start..<end].joined(separator: "-")
        output = words.isEmpty ? nil : parts[end...].joined(separator: "-")
    }

    private static func beginsWithLetter(_ part: some StringProtocol) -> Bool {
        part.utf8.first.map { (0x41...0x5A).contains($0 & 0xDF) } ?? false
    }

    private static func isOutputWord(_ part: String) -> Bool {
        if outputWords.contains(part[...]) { return true }
        let isWord = !part.isEmpty && part.utf8.allSatisfy { (0x41...0x5A).contains($0 & 0xDF) || $0 == 0x5F }
        return isWord && !versionWords.contains(part[...])
    }

    /// Whether one version comes before another, by the rules of `builtins.compareVersions`: numbers by their value, `pre`
    /// before nothing, nothing before other words, and words before numbers.
    public static func isVersion(_ left: String, before right: String) -> Bool {
        let ones = components(of: left), others = components(of: right)
        for index in 0..<max(ones.count, others.count) {
            let one = index < ones.count ? ones[index] : [], other = index < others.count ? others[index] : []
            if precedes(one, other) { return true }
            if precedes(other, one) { return false }
        }
        return false
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// Runs of digits, and runs of anything else but dots and dashes.
    private static func components(of version: String) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var isOpen = false
        for byte in version.utf8 {
            if byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-") {
                isOpen = false
            } else if isOpen, let last = found.last?.last, isDigit(last) == isDigit(byte) {
                found[found.count - 1].append(byte)
            } else {
                found.append([byte])
                isOpen = true
            }
        }
        return found
    }

    private static func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        let pre = Array("pre".utf8)
        switch (number(left), number(right)) {
        case (let left?, let right?):
            // However many digits: a longer number is a larger one.
            return left.count != right.count ? left.count < right.count : left.lexicographicallyPrecedes(right)
        case (nil, _?): return true
        case (_?, nil): return false
        case (nil, nil):
            if left == pre { return right != pre }
            if right == pre { return false }
            return left.lexicographicallyPrecedes(right)
        }
    }

    /// A number's digits without leading zeros; `nil` for what is no number.
    private static func number(_ component: [UInt8]) -> ArraySlice<UInt8>? {
        guard let first = component.first, isDigit(first) else { return nil }
        return component.drop { $0 == UInt8(ascii: "0") }
    }
}
