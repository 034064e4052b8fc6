import Testing

@testable import ImageKit

/// Sources that consist of extents of another source.
@Suite struct ExtentSourceTests {
    private typealias Extent = ExtentSource.Extent

    private let bytes = (0..<64).map { UInt8($0 + 1) }

    /// Reads every range, with zeros between and after the extents.
    @Test func readsEveryRange() throws {
        let extents = [
            Extent(start: 3, count: 4, sourceOffset: 40), Extent(start: 7, count: 0, sourceOffset: 63),
            Extent(start: 7, count: 2, sourceOffset: 0), Extent(start: 12, count: 5, sourceOffset: 20),
            Extent(start: 17, count: 1, sourceOffset: 19),
        ]
        var expected = [UInt8](repeating: 0, count: 21)
        for extent in extents {
            for index in 0..<extent.count {
                expected[Int(extent.start + index)] = bytes[Int(extent.sourceOffset + index)]
            }
        }
        // The last extent may end past the source.
        for size in [21, 16, 15] {
            let source = ExtentSource(MemorySource(bytes: bytes), size: UInt64(size), extents: extents)
            for start in 0...size {
                for end in start...size {
                    #expect(try source.read(end - start, at: UInt64(start)) == Array(expected[start..<end]))
                }
                #expect(message(try source.read(size - start + 1, at: UInt64(start))).contains("only \(size) bytes"))
            }
            #expect(throws: ImageError.self) { try source.read(0, at: UInt64(size) + 1) }
            #expect(throws: ImageError.self) { try source.read(1, at: .max) }
        }
    }

    @Test func joinsRanges() throws {
        let joined = ExtentSource(MemorySource(bytes: bytes), size: 7, joining: [8..<10, 2..<6, 30..<50])
        #expect(try joined.read(7, at: 0) == [9, 10, 3, 4, 5, 6, 31])
        #expect(try ExtentSource(MemorySource(bytes: []), size: 3, extents: []).read(3, at: 0) == [0, 0, 0])
    }
}
