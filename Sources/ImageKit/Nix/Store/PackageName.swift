/// The package, version and output in a store path's name.
///
/// ```
///   bash-interactive-5.2p32-man
///   └ package ─────┘ └ ver ┘ └ output
/// ```
///
/// The version begins after the first dash that no letter follows, as in `builtins.parseDrvName`. It ends before the
/// last words that are no part of a version: names of outputs, and suffixes that builders add (`-modules`). Names
/// follow this form by convention only, so use the result only to show which paths belong together.
struct PackageName: Hashable, Sendable {
    /// The package: `bash-interactive`.
    let package: String
    /// The version: `5.2p32`; `nil` if the name has none.
    let version: String?
    /// The words behind the version: `man`, `modules-shrunk`; `nil` if the name has none.
    let output: String?

    /// Words without a digit that belong to a version.
    private static let versionWords: Set<Substring> = [
        "alpha", "beta", "final", "git", "master", "nightly", "post", "pre", "rc", "release", "snapshot", "stable",
        "unstable",
    ]
    /// Names of outputs that have digits.
    private static let outputWords: Set<Substring> = ["lib32", "lib64"]

    /// Parses a store path's name, without the hash.
    init(_ name: some StringProtocol) {
        let words = name.split(separator: "-", omittingEmptySubsequences: false)
        // The first word belongs to the package, whatever it begins with.
        let start = words.indices.dropFirst().first { !Self.beginsWithLetter(words[$0]) && !words[$0].isEmpty }
        guard let start else {
            (package, version, output) = (String(name), nil, nil)
            return
        }
        let outputs = words[start...].reversed().prefix { Self.isOutputWord(String($0)) }
        let end = words.endIndex - outputs.count
        package = words[..<start].joined(separator: "-")
        // The word at `start` is no output's, so a version is never empty.
        version = words[start..<end].joined(separator: "-")
        output = outputs.isEmpty ? nil : words[end...].joined(separator: "-")
    }

    private static func beginsWithLetter(_ word: some StringProtocol) -> Bool {
        word.utf8.first.map { (0x41...0x5A).contains($0 & 0xDF) } ?? false
    }

    private static func isOutputWord(_ word: String) -> Bool {
        if outputWords.contains(word[...]) { return true }
        let hasOnlyLetters = !word.isEmpty && word.utf8.allSatisfy { (0x41...0x5A).contains($0 & 0xDF) || $0 == 0x5F }
        return hasOnlyLetters && !versionWords.contains(word[...])
    }

    /// Whether a version comes before another, by the rules of `builtins.compareVersions`: numbers by their value,
    /// `pre` before no word, no word before any other word, and words before numbers.
    static func isVersion(_ left: String, before right: String) -> Bool {
        let left = components(of: left), right = components(of: right)
        for index in 0..<max(left.count, right.count) {
            let first = index < left.count ? left[index] : [], second = index < right.count ? right[index] : []
            if precedes(first, second) { return true }
            if precedes(second, first) { return false }
        }
        return false
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// Sequences of digits, and sequences of other characters except dots and dashes.
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
            // Numbers of any length: a longer one is larger.
            return left.count != right.count ? left.count < right.count : left.lexicographicallyPrecedes(right)
        case (nil, _?): return true
        case (_?, nil): return false
        case (nil, nil):
            if left == pre { return right != pre }
            if right == pre { return false }
            return left.lexicographicallyPrecedes(right)
        }
    }

    /// A number's digits without leading zeros; `nil` if the component is not a number.
    private static func number(_ component: [UInt8]) -> ArraySlice<UInt8>? {
        guard let first = component.first, isDigit(first) else { return nil }
        return component.drop { $0 == UInt8(ascii: "0") }
    }
}
