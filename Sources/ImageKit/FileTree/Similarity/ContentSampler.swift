/// Looks at a small part of each of many files, and says what it saw in a form that tells whether files have content in
/// common, wherever in them it lies.
///
/// ```
///   file     ├ 4 KiB ┤ ······· 64 KiB ······· ├ 4 KiB ┤ ·······
///              │
///              └▶ every run of 64 bytes has a hash; those whose upper 9 bits are zero are features
/// ```
///
/// Which runs are features depends on their bytes alone, so the same bytes give the same features in every file, however
/// they are shifted. Files are read where a window lies only: a fifteenth of large ones, more of smaller ones, and less of
/// all when they are very many, so that time and memory are bounded.
struct ContentSampler {
    let tree: FileTree
    let files: [FileTree.NodeID]
    /// Places in all files together, at most.
    var mostWindows: UInt64 = 1 << 17

    /// One thing that was seen.
    struct Feature: Sendable, Hashable {
        /// Of the bytes; equal where they are.
        var hash: UInt64
        /// The index of the file.
        var file: UInt32
        /// The number of the block of 4 KiB in it.
        var block: UInt32
    }

    /// Bytes that are looked at in one place, and what their places are multiples of.
    static let window: UInt64 = 4096
    /// From one place to the next in large files, in bytes.
    static let stride: UInt64 = 64 << 10
    /// Places in smaller files.
    static let leastWindows: UInt64 = 24
    /// Of so many hashes, as a power of two, one is a feature.
    private static let rarity: UInt64 = 9
    /// Features of a window at most; 8 are usual, and bytes that repeat themselves would give thousands.
    static let mostFeatures = 32
    /// Files that a thread takes at a time.
    private static let batch = 8

    /// Reads the samples of all files.
    func run(threads: Int, progress: Progress?) throws(ImageError) -> [Feature] {
        let windows = files.map { max(tree.size(of: $0) / Self.stride, Self.leastWindows) }
        var thinning: UInt64 = 0
        while windows.reduce(0, { $0 + ($1 >> thinning) }) > mostWindows { thinning += 1 }
        try progress?.begin(.sample, total: UInt64(files.count))
        let all = Monitor([Feature]())
        try onThreads(threads, sharing: files.count, by: Self.batch) { [thinning] (next) throws(ImageError) in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(Self.window), alignment: 64)
            defer { buffer.deallocate() }
            var features: [Feature] = []
            let reads = DiskReads()
            while let batch = next() {
                for (number, index) in batch.enumerated() {
                    // Places that lie in memory are read sooner than asked for.
                    let asksFirst = number == 0 || reads.isCold
                    try sample(
                        index, windows: windows[index] >> thinning, asksFirst: asksFirst, buffer, into: &features)
                }
                try progress?.checkCancelled()
                progress?.advance(UInt64(batch.count))
            }
            all.change { $0 += features }
        }
        return all.change { $0 }
    }

    private func sample(
        _ index: Int, windows: UInt64, asksFirst: Bool, _ buffer: UnsafeMutableRawBufferPointer,
        into features: inout [Feature]
    ) throws(ImageError) {
        guard windows > 0 else { return }
        let node = files[index]
        let size = tree.size(of: node)
        let stride = max(Self.window, size / windows / Self.window * Self.window)
        let places = Self.places(windows, stride: stride)
        // Whether it is still what was planned is asked when its bytes go into the image.
        let open = try FileTree.OpenContent(node, of: tree, isRandom: true)
        if asksFirst { for place in places { open.prefetch(min(Self.window, size - place), at: place) } }
        for place in places {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(min(Self.window, size - place))])
            try open.read(into: part, at: place)
            Self.hashes(of: UnsafeRawBufferPointer(part)) { hash in
                features.append(
                    Feature(hash: hash, file: UInt32(index), block: UInt32(clamping: place / Self.window)))
            }
        }
    }

    /// Where the windows lie: one in each stretch of `stride` bytes, here and there in it, so that content is also seen
    /// where it is shifted by some stretches and less.
    private static func places(_ windows: UInt64, stride: UInt64) -> [UInt64] {
        (0..<windows).map { index in
            let number = (index &* .goldenRatio) >> 32
            return index * stride + number % (stride / window) * window
        }
    }

    /// Calls `body` with the rare ones among the hashes of all runs of 64 bytes: each byte shifts the hash by a bit and adds
    /// a number of its own, so what is older than 64 bytes has left it ("gear" hashing).
    private static func hashes(of bytes: UnsafeRawBufferPointer, _ body: (UInt64) -> Void) {
        guard bytes.count > 64, let start = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        gears.withUnsafeBufferPointer { gears in
            func take(_ place: Int, _ hash: inout UInt64) { hash = (hash << 1) &+ gears[Int(start[place])] }
            var last: UInt64?, count = 0
            func look(_ hash: UInt64) {
                guard hash >> (64 - rarity) == 0, hash != last, count < mostFeatures else { return }
                body(hash)
                last = hash
                count += 1
            }
            // A hash waits for the one before, so those of both halves are made side by side. (Of bytes that repeat themselves
            // it matters in which order they come, since there are too many.)
            let half = (bytes.count - 64) / 2
            var first: UInt64 = 0, second: UInt64 = 0
            for place in 0..<64 {
                take(place, &first)
                take(place + half, &second)
            }
            for place in 64..<64 + half {
                take(place, &first)
                look(first)
                take(place + half, &second)
                look(second)
            }
            if 64 + 2 * half < bytes.count {
                take(bytes.count - 1, &second)
                look(second)
            }
        }
    }

    /// A number for each byte: any will do, but they are the same everywhere (xorshift, by Marsaglia).
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
