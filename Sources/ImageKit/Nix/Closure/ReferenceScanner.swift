/// The hash parts that a ``ReferenceScanner`` looks for, and which store path each stands for.
///
/// An open-addressed table of a power-of-two size, at most half full, so that a lookup costs one or two comparisons.
struct HashParts: Sendable {
    /// The keys' characters, 32 each, one after the other.
    private var keys: [UInt8] = []
    /// For every slot, the number of its key plus 1, or 0.
    private var slots: [UInt32]
    private let shift: UInt64

    /// Takes the hash parts of `paths`, which must be sorted; a hash part's number is the first path's that has it.
    init(_ paths: [StorePath]) {
        var bits: UInt64 = 4
        while 1 << bits < paths.count * 2 { bits += 1 }
        shift = 64 - bits
        slots = [UInt32](repeating: 0, count: 1 << bits)
        keys.reserveCapacity(paths.count * StorePath.hashLength)
        for (number, path) in paths.enumerated() {
            keys.append(contentsOf: path.hashPart.utf8)
            let key = Array(path.hashPart.utf8)
            key.withUnsafeBytes { key in
                let (slot, found) = find(key)
                if found == nil { slots[slot] = UInt32(number + 1) }
            }
        }
    }

    /// How many there are.
    var count: Int { keys.count / StorePath.hashLength }

    /// The number of the hash part that `window` (32 bytes) is; `nil` where it is none.
    func number(of window: UnsafeRawBufferPointer) -> Int? { find(window).found }

    /// The slot where a key is or would be, and its number if it is there.
    private func find(_ window: UnsafeRawBufferPointer) -> (slot: Int, found: Int?) {
        let start = window.loadUnaligned(as: UInt64.self)
        let rest = window.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        var slot = Int(truncatingIfNeeded: ((start ^ rest &* 31) &* 0x9E37_79B9_7F4A_7C15) >> shift)
        while slots[slot] != 0 {
            let number = Int(slots[slot]) - 1
            let isEqual = keys.withUnsafeBytes { keys in
                let key = UnsafeRawBufferPointer(rebasing: keys[(number * StorePath.hashLength)...])
                return (0..<4).allSatisfy {
                    key.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)
                        == window.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)
                }
            }
            if isEqual { return (slot, number) }
            slot = (slot + 1) & (slots.count - 1)
        }
        return (slot, nil)
    }
}

/// Finds hash parts of store paths in bytes that come in pieces, wherever the pieces are cut.
///
/// A window of 32 bytes is looked at from its end: at a byte that is no digit of base 32, the window moves past it. So
/// most bytes of programs and texts are never looked at. Bytes known to be digits are not looked at again.
struct ReferenceScanner: ~Copyable {
    private let parts: HashParts
    private var isFound: [Bool]
    private var found: [Int] = []
    /// The last bytes of what came before, up to one less than a hash part has.
    private var tail: [UInt8] = []

    init(_ parts: HashParts) {
        self.parts = parts
        isFound = [Bool](repeating: false, count: parts.count)
    }

    /// Looks through the next piece.
    mutating func scan(_ piece: UnsafeRawBufferPointer) {
        let overlap = StorePath.hashLength - 1
        if !tail.isEmpty {
            let seam = tail + piece.prefix(overlap)
            seam.withUnsafeBytes { search($0) }
        }
        search(piece)
        tail = piece.count >= overlap ? Array(piece.suffix(overlap)) : Array((tail + piece).suffix(overlap))
    }

    /// The numbers of the hash parts found since the last call, in rising order. What comes next is something new.
    mutating func finish() -> [Int] {
        defer {
            for number in found { isFound[number] = false }
            found = []
            tail = []
        }
        return found.sorted()
    }

    private mutating func search(_ bytes: UnsafeRawBufferPointer) {
        let length = StorePath.hashLength
        var start = 0
        var known = 0  // bytes from `start` up to here are digits
        NixBase32.values.withUnsafeBufferPointer { values in
            while bytes.count - start >= length {
                var place = start + length - 1
                while place >= known, values[Int(bytes[place])] < 32 { place -= 1 }
                if place >= known {
                    known = start + length
                    start = place + 1
                    continue
                }
                if let number = parts.number(of: UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])),
                    !isFound[number]
                {
                    isFound[number] = true
                    found.append(number)
                }
                known = start + length
                start += 1
            }
        }
    }
}
