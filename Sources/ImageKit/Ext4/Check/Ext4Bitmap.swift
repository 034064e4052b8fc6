/// The bits of a bitmap block, in words.
struct Ext4Bitmap {
    private var words: [UInt64]

    /// A bitmap without set bits.
    init(count: Int) { words = [UInt64](repeating: 0, count: count.dividedRoundingUp(by: 64)) }

    init(_ bytes: [UInt8]) {
        words = [UInt64](repeating: 0, count: bytes.count.dividedRoundingUp(by: 8))
        for index in words.indices { words[index] = bytes.load(at: 8 * index) ?? 0 }
    }

    subscript(bit: Int) -> Bool {
        get { bit >> 6 < words.count && words[bit >> 6] >> UInt64(bit & 63) & 1 != 0 }
        set {
            guard bit >= 0, bit >> 6 < words.count else { return }
            let mask = UInt64(1) << UInt64(bit & 63)
            if newValue { words[bit >> 6] |= mask } else { words[bit >> 6] &= ~mask }
        }
    }

    mutating func set(_ range: Range<Int>) {
        var bit = range.lowerBound
        while bit < range.upperBound {
            if bit & 63 == 0, range.upperBound - bit >= 64, bit >> 6 < words.count {
                words[bit >> 6] = .max
                bit += 64
            } else {
                self[bit] = true
                bit += 1
            }
        }
    }

    /// The number of the first `count` bits that are not set.
    func free(_ count: Int) -> UInt64 {
        var free: UInt64 = 0
        for index in 0..<count.dividedRoundingUp(by: 64) where index < words.count {
            let rest = count - 64 * index
            let mask: UInt64 = rest >= 64 ? .max : (1 << UInt64(rest)) - 1
            free += UInt64((~words[index] & mask).nonzeroBitCount)
        }
        return free
    }

    /// Visits ranges of bits below `count` that are set here and not in `bitmap`.
    func forEachRange(notIn bitmap: Ext4Bitmap, _ count: Int, _ visit: (Range<Int>) -> Void) {
        var start: Int?
        var bit = 0
        while bit < count {
            let word = words[bit >> 6] & ~(bit >> 6 < bitmap.words.count ? bitmap.words[bit >> 6] : 0)
            if start == nil, word == 0, bit & 63 == 0 {
                bit += 64
                continue
            }
            let isSet = word >> UInt64(bit & 63) & 1 != 0
            if isSet, start == nil { start = bit }
            if !isSet, let first = start {
                visit(first..<bit)
                start = nil
            }
            bit += 1
        }
        if let first = start { visit(first..<count) }
    }
}

extension Ext4GroupCheck {
    /// Reads a group's bitmap, and checks its checksum and padding.
    /// - Parameters:
    ///   - bits: those that the checksum covers: a multiple of 8.
    ///   - used: those that stand for blocks or inodes that exist. The rest is padding.
    /// - Returns: `nil` if its block is outside of the filesystem.
    func bitmap(
        _ name: String, of group: Int, at block: UInt64, bits: Int, used: Int, checksum: UInt32,
        _ kind: Finding.Kind
    ) throws(ImageError) -> Ext4Bitmap? {
        guard isInside(block, 1) else { return nil }
        let offset = block * superblock.blockSize
        let bytes = try volume.source.read(Int(superblock.blockSize), at: offset)
        if volume.checksums.isOn {
            let sum = volume.checksums.bitmap(bytes.prefix(bits / 8))
            let isWide = superblock.descriptorSize >= Ext4GroupDescriptor.longSize
            if let wrong = Ext4Checksums.Mismatch(checksum, isWide ? sum : sum & 0xFFFF) {
                census.report(kind, "the \(name) bitmap of group \(group) \(wrong.words)", offset: offset)
            }
        }
        let bitmap = Ext4Bitmap(bytes)
        let padding = bitmap.free(bytes.count * 8) - bitmap.free(used)
        if padding > 0 {
            census.report(
                .ext4BitmapPadding,
                "the \(name) bitmap of group \(group) has \(padding) bits after its end that are not set",
                offset: offset)
        }
        return bitmap
    }

    /// Reports a counter that differs from the number that was found.
    func compare(
        _ kind: Finding.Kind, _ what: String, _ stated: UInt64, _ expected: UInt64, _ offset: UInt64?
    ) {
        guard stated != expected else { return }
        census.report(kind, "\(what): \(stated) are counted, and there are \(expected)", offset: offset)
    }

    // MARK: Totals

    /// Compares the superblock's free inodes and blocks with the sums of the groups.
    func checkTotals(freeInodes: UInt64, freeClusters: UInt64) {
        let information = superblock.information
        compare(
            .ext4Totals, "free inodes of the superblock", information.freeInodes, freeInodes,
            Ext4Superblock.offset + UInt64(Ext4Superblock.Field.freeInodes))
        compare(
            .ext4Totals, "free blocks of the superblock", information.freeBlocks,
            freeClusters.multipliedClamping(by: superblock.clusterBlocks),
            Ext4Superblock.offset + UInt64(Ext4Superblock.Field.freeBlocks))
    }
}
