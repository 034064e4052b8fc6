import Testing

@testable import ImageKit

/// Sources in pieces, and the search that finds the piece.
@Suite struct PieceSourceTests {
    private let bytes = (0..<64).map { UInt8($0 + 1) }

    /// Every range of it is what the pieces say, zeros between and after them.
    @Test func everyRangeIsWhatThePiecesSay() throws {
        let pieces = [
            PieceSource.Piece(start: 3, count: 4, place: 40), .init(start: 7, count: 0, place: 63),
            .init(start: 7, count: 2, place: 0), .init(start: 12, count: 5, place: 20),
            .init(start: 17, count: 1, place: 19),
        ]
        var expected = [UInt8](repeating: 0, count: 21)
        for piece in pieces {
            for index in 0..<piece.count { expected[Int(piece.start + index)] = bytes[Int(piece.place + index)] }
        }
        // The last piece may go on.
        for size in [21, 16, 15] {
            let source = PieceSource(MemorySource(bytes: bytes), size: UInt64(size), pieces: pieces)
            for start in 0...size {
                for end in start...size {
                    #expect(try source.read(end - start, at: UInt64(start)) == Array(expected[start..<end]))
                }
                #expect(message(try source.read(size - start + 1, at: UInt64(start))).contains("only \(size) bytes"))
            }
            #expect(throws: ImageError.self) { try source.read(0, at: UInt64(size) + 1) }
            #expect(throws: ImageError.self) { try source.read(1, at: .max) }
        }
        let joined = PieceSource(MemorySource(bytes: bytes), size: 7, places: [8..<10, 2..<6, 30..<50])
        #expect(try joined.read(7, at: 0) == [9, 10, 3, 4, 5, 6, 31])
        #expect(try PieceSource(MemorySource(bytes: []), size: 3, pieces: []).read(3, at: 0) == [0, 0, 0])
    }

    @Test func theFirstOfTheSecondPartIsFound() {
        for count in 0...20 {
            for first in 0...count {
                let part = (100..<100 + count)
                #expect(part.partitioningIndex { $0 >= 100 + first } == 100 + first)
            }
        }
    }
}
