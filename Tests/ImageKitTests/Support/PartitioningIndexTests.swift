import Testing

@testable import ImageKit

@Suite struct PartitioningIndexTests {
    @Test func findsTheFirstElementOfTheSecondPart() {
        for count in 0...20 {
            for first in 0...count {
                let part = (100..<100 + count)
                #expect(part.partitioningIndex { $0 >= 100 + first } == 100 + first)
            }
        }
    }
}
