/// The hash parts that a ``ReferenceScanner`` searches for. Each leads to the index of its store path.
///
/// This is an open-addressed hash table. Its size is a power of two, and it is at most half full, so that a lookup
/// usually costs one or two comparisons.
struct HashParts: Sendable {
    /// The characters of all hash parts, 32 each, in the order of the paths.
    private var keys: [UInt8] = []
    /// The index of each slot's key plus 1, or 0.
    private var slots: [UInt32]
    private let shift: UInt64

    /// Adds the hash parts of `paths`, which must be sorted. If several paths share a hash part, the lookup returns the
    /// index of the first one.
    init(_ paths: [StorePath]) {
        var bits: UInt64 = 4
        while 1 << bits < paths.count * 2 { bits += 1 }
        shift = 64 - bits
        slots = [UInt32](repeating: 0, count: 1 << bits)
        keys.reserveCapacity(paths.count * StorePath.hashLength)
        for (index, path) in paths.enumerated() {
            keys.append(contentsOf: path.hashPart.utf8)
            let key = Array(path.hashPart.utf8)
            key.withUnsafeBytes { key in
                let (slot, found) = find(key)
                if found == nil { slots[slot] = UInt32(index + 1) }
            }
        }
    }

    /// The number of store paths, including those that share a hash part. Every index is below it.
    var count: Int { keys.count / StorePath.hashLength }

    /// The index of a hash part, `window` (32 bytes); `nil` if the table does not have it.
    func index(of window: UnsafeRawBufferPointer) -> Int? { find(window).found }

    /// The slot of the hash part `window`, or the free slot for it; and its index if the table has it.
    private func find(_ window: UnsafeRawBufferPointer) -> (slot: Int, found: Int?) {
        let start = window.loadUnaligned(as: UInt64.self)
        let rest = window.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        var slot = Int(truncatingIfNeeded: ((start ^ rest &* 31) &* 0x9E37_79B9_7F4A_7C15) >> shift)
        while slots[slot] != 0 {
            let index = Int(slots[slot]) - 1
            let isEqual = keys.withUnsafeBytes { keys in
                let key = UnsafeRawBufferPointer(rebasing: keys[(index * StorePath.hashLength)...])
                return (0..<4).allSatisfy {
                    key.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)
                        == window.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)
                }
            }
            if isEqual { return (slot, index) }
            slot = (slot + 1) & (slots.count - 1)
        }
        return (slot, nil)
    }
}

/// Finds the hash parts of store paths in bytes that arrive in chunks. A hash part may extend over several chunks.
///
/// The scanner reads a window of 32 bytes from its end. At a byte that is not a digit of Nix's base 32, the window
/// moves past that byte, so most bytes of programs and texts are never read. Known digits are not read again.
struct ReferenceScanner: ~Copyable {
    private let parts: HashParts
    private var isFound: [Bool]
    private var found: [Int] = []
    /// The last bytes before the next chunk: at most 31, one less than the length of a hash part.
    private var tail: [UInt8] = []

    init(_ parts: HashParts) {
        self.parts = parts
        isFound = [Bool](repeating: false, count: parts.count)
    }

    /// Searches the next chunk.
    mutating func scan(_ chunk: UnsafeRawBufferPointer) {
        let overlap = StorePath.hashLength - 1
        if !tail.isEmpty {
            let seam = tail + chunk.prefix(overlap)
            seam.withUnsafeBytes { search($0) }
        }
        search(chunk)
        tail = chunk.count >= overlap ? Array(chunk.suffix(overlap)) : Array((tail + chunk).suffix(overlap))
    }

    /// Ends a sequence of chunks; the next chunk begins a new one.
    /// - Returns: the indices of the hash parts that were found, in ascending order.
    mutating func finish() -> [Int] {
        defer {
            for index in found { isFound[index] = false }
            found = []
            tail = []
        }
        return found.sorted()
    }

    private mutating func search(_ bytes: UnsafeRawBufferPointer) {
        let length = StorePath.hashLength
        var start = 0
        var known = 0  // the bytes from `start` up to this index are digits
        NixBase32.values.withUnsafeBufferPointer { values in
            while bytes.count - start >= length {
                var position = start + length - 1
                while position >= known, values[Int(bytes[position])] < 32 { position -= 1 }
                if position >= known {
                    known = start + length
                    start = position + 1
                    continue
                }
                if let index = parts.index(of: UnsafeRawBufferPointer(rebasing: bytes[start..<start + length])),
                    !isFound[index]
                {
                    isFound[index] = true
                    found.append(index)
                }
                known = start + length
                start += 1
            }
        }
    }
}
