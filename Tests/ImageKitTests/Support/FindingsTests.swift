import Testing

@testable import ImageKit

@Suite struct FindingsTests {
    private static let note = Finding.Kind("a-note", .note, "Nothing.")
    private static let damage = Finding.Kind("a-damage", .damage, "Loss.")

    @Test func keepsTheFirstOfEachKind() {
        var findings = Findings()
        #expect(findings.worst == nil)
        for index in 0..<150 { findings.add(Finding(Self.note, "\(index)")) }
        findings.add(Finding(Self.damage, "x"))
        #expect(findings.list.map(\.what) == (0..<100).map { "\($0)" } + ["x"])
        #expect(findings.counts == [Self.note: 150, Self.damage: 1] && findings.worst == .damage)
    }

    @Test func addsThoseOfAnotherCheck() {
        var first = Findings(), second = Findings()
        for index in 0..<60 { first.add(Finding(Self.note, "\(index)")) }
        for index in 60..<230 { second.add(Finding(Self.note, "\(index)")) }
        first.add(second)
        #expect(first.list.map(\.what) == (0..<100).map { "\($0)" })
        #expect(first.counts == [Self.note: 230])
        #expect(first.mapped { Finding($0.kind, $0.what + "!") }.list.last?.what == "99!")
    }
}
