/// The findings of a check: the first ones of each kind, and the count of each kind.
///
/// A hostile image can have as many defects as it has bytes. The limit per kind bounds the memory for them.
public struct Findings: Sendable {
    /// How many findings of one kind are kept.
    public static let maximumPerKind = 100

    /// The findings that were kept, in the order in which they were made.
    public private(set) var list: [Finding] = []
    /// The number of findings of each kind, kept or not.
    public private(set) var counts: [Finding.Kind: Int] = [:]

    /// An empty list.
    public init() {}

    /// Counts a finding, and keeps it unless ``maximumPerKind`` of its kind are kept already.
    public mutating func add(_ finding: Finding) {
        let count = counts[finding.kind, default: 0] + 1
        counts[finding.kind] = count
        if count <= Self.maximumPerKind { list.append(finding) }
    }

    /// Adds the findings of another check.
    public mutating func add(_ other: Findings) {
        for finding in other.list { add(finding) }
        for (kind, count) in other.counts where count > Self.maximumPerKind {
            counts[kind, default: 0] += count - Self.maximumPerKind
        }
    }

    /// A copy with each kept finding changed by `transform`, which must not change its kind.
    func mapped(_ transform: (Finding) -> Finding) -> Findings {
        var changed = self
        changed.list = list.map(transform)
        return changed
    }

    /// The highest severity; `nil` if there are no findings.
    public var worst: Finding.Severity? { counts.keys.map(\.severity).max() }
}
