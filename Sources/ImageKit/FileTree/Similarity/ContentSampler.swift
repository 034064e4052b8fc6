/// Reads a small part of each of many files, and selects features that show which files share content, at any offset.
///
/// ```
///   file     ├ 4 KiB ┤ ······· 64 KiB ······· ├ 4 KiB ┤ ·······
///              │
///              └▶ every run of 64 bytes has a hash; the hashes whose upper 9 bits are zero are features
/// ```
///
/// The bytes of a run alone decide whether it is a feature. Equal bytes therefore give equal features in every file, at
/// any offset. Files are read only in windows: a sixteenth of large files, more of smaller ones, and less of all if
/// there are very many, so that time and memory are limited.
struct ContentSampler {
    let tree: FileTree
    let files: [FileTree.NodeID]
    /// The number of windows in all files together.
    var maximumWindows: UInt64 = 1 << 17

    /// A hash that was selected.
    struct Feature: Sendable, Hashable {
        /// The hash of the bytes; equal for equal bytes.
        var hash: UInt64
        /// The index of the file.
        var file: UInt32
        /// The index of the block of 4 KiB in the file.
        var block: UInt32
    }

    /// Bytes of a window. Offsets of windows are multiples of it.
    static let window: UInt64 = 4096
    /// The distance of windows in large files, in bytes.
    static let stride: UInt64 = 64 << 10
    /// The number of windows in smaller files.
    static let minimumWindows: UInt64 = 24
    /// One hash of 2^`rarity` is a feature.
    private static let rarity: UInt64 = 9
    /// The number of features that a window may give. 8 are usual; repetitive bytes would give thousands.
    static let maximumFeatures = 32
    /// Files that a thread samples at a time.
    private static let batch = 8

    /// Reads the windows of all files.
    func run(threads: Int, progress: Progress?) throws(ImageError) -> [Feature] {
        let windows = files.map { max(tree.size(of: $0) / Self.stride, Self.minimumWindows) }
        var thinning: UInt64 = 0
        while windows.reduce(0, { $0 + ($1 >> thinning) }) > maximumWindows { thinning += 1 }
        try progress?.begin(.sample, total: UInt64(files.count))
        let all = Monitor([Feature]())
        try onThreads(threads, sharing: files.count, by: Self.batch) { [thinning] (next) throws(ImageError) in
            let buffer = PageBuffer(count: Int(Self.window), alignment: 64)
            var features: [Feature] = []
            let reads = DiskReads()
            while let batch = next() {
                for (number, index) in batch.enumerated() {
                    // A read of cached data is faster than a request before it.
                    let prefetches = number == 0 || reads.isCold
                    try sample(
                        index, windows: windows[index] >> thinning, prefetches: prefetches, buffer, into: &features)
                }
                try progress?.checkCancelled()
                progress?.advance(UInt64(batch.count))
            }
            all.change { $0 += features }
        }
        return all.change { $0 }
    }

    private func sample(
        _ index: Int, windows: UInt64, prefetches: Bool, _ buffer: borrowing PageBuffer,
        into features: inout [Feature]
    ) throws(ImageError) {
        guard windows > 0 else { return }
        let node = files[index]
        let size = tree.size(of: node)
        let stride = max(Self.window, size / windows / Self.window * Self.window)
        let offsets = Self.offsets(windows, stride: stride)
        // Whether the file still is the planned one is checked when its bytes go into the image.
        let open = try FileTree.OpenContent(node, of: tree, isRandom: true)
        if prefetches { for offset in offsets { open.prefetch(min(Self.window, size - offset), at: offset) } }
        for offset in offsets {
            let bytes = buffer.prefix(Int(min(Self.window, size - offset)))
            try open.read(into: bytes, at: offset)
            Self.selectHashes(of: UnsafeRawBufferPointer(bytes)) { hash in
                features.append(
                    Feature(hash: hash, file: UInt32(index), block: UInt32(clamping: offset / Self.window)))
            }
        }
    }

    /// The offsets of the windows: one in each range of `stride` bytes, at varying distances from its beginning.
    /// Content is then also seen where it is shifted by a few strides or by less than one.
    private static func offsets(_ windows: UInt64, stride: UInt64) -> [UInt64] {
        (0..<windows).map { index in
            let number = (index &* .goldenRatio) >> 32
            return index * stride + number % (stride / window) * window
        }
    }

    /// Calls `body` with the features among the hashes of all runs of 64 bytes.
    ///
    /// Each byte shifts the hash by a bit and adds a number of its own, so a byte has no influence after 64 others
    /// ("gear" hashing).
    private static func selectHashes(of bytes: UnsafeRawBufferPointer, _ body: (UInt64) -> Void) {
        guard bytes.count > 64, let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        gears.withUnsafeBufferPointer { gears in
            func add(_ offset: Int, to hash: inout UInt64) { hash = (hash << 1) &+ gears[Int(start[offset])] }
            var last: UInt64?, count = 0
            func select(_ hash: UInt64) {
                guard hash >> (64 - rarity) == 0, hash != last, count < maximumFeatures else { return }
                body(hash)
                last = hash
                count += 1
            }
            // Each hash depends on the one before, so those of both halves are computed side by side. (For repetitive
            // bytes the order matters, because the number of features is limited.)
            let half = (bytes.count - 64) / 2
            var first: UInt64 = 0, second: UInt64 = 0
            for offset in 0..<64 {
                add(offset, to: &first)
                add(offset + half, to: &second)
            }
            for offset in 64..<64 + half {
                add(offset, to: &first)
                select(first)
                add(offset + half, to: &second)
                select(second)
            }
            if 64 + 2 * half < bytes.count {
                add(bytes.count - 1, to: &second)
                select(second)
            }
        }
    }

    /// A number for each byte. Any numbers will do, as long as they never change (xorshift, by Marsaglia).
    private static let gears: [UInt64] = {
        var state: UInt64 = 88_172_645_463_325_252
        return (0..<256).map { _ in
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }()
}
