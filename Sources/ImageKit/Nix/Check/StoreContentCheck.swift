/// Compares what store paths hold in an image with what is registered of them.
///
/// ```
///   disk    ├ path 1 ┤├ path 2 ──┤├ 3 ┤├ path 4 ─────────────┤├ 5 ┤…        in the order of their data
///   parts   ├ part 0 ─────────────────┤├ part 1 ─────────────┤├ 2 …         of some MiB each
///   threads     A                           B                     A         so two seldom need the same frame
/// ```
///
/// A compressed image is decompressed once that way, but for files that are hard links of files in other paths: their bytes
/// are kept as long as somebody still needs them and there is room (see ``LinkedContents``).
struct StoreContentCheck: Sendable {
    /// A path, and where most of its data begins.
    private struct Item: Sendable {
        var info: PathInfo
        var node: FileTree.NodeID
        var place: UInt64
    }

    private let tree: FileTree
    private let items: [Item]
    /// Items that one thread hashes one after the other.
    private let parts: [Range<Int>]
    private let linked: LinkedContents

    /// As much data goes to one thread at a time: a compressed frame or two.
    private static let partSize: UInt64 = 32 << 20

    init(_ paths: [(info: PathInfo, node: FileTree.NodeID)], of tree: FileTree) {
        var names = [UInt32](repeating: 0, count: tree.nodes.count)
        var items: [Item] = []
        for (info, node) in paths {
            var files: [(place: UInt64, size: UInt64)] = []
            tree.eachName(below: node) { node in
                guard tree.kind(of: node) == .file else { return }
                names[Int(node.index)] &+= 1
                if let place = tree.place(of: node) { files.append((place, tree.size(of: node))) }
            }
            items.append(Item(info: info, node: node, place: Self.place(of: files)))
        }
        items.sort { ($0.place, $0.info.path) < ($1.place, $1.info.path) }
        self.tree = tree
        self.items = items
        linked = LinkedContents(tree, names: names)
        var parts: [Range<Int>] = []
        var start = 0
        for index in items.indices where index > start && items[index].place - items[start].place >= Self.partSize {
            parts.append(start..<index)
            start = index
        }
        if start < items.count { parts.append(start..<items.count) }
        self.parts = parts
    }

    /// Where the most of a path's data begins: some of its files may lie elsewhere, with another path that has them too.
    private static func place(of files: [(place: UInt64, size: UInt64)]) -> UInt64 {
        let sorted = files.sorted { $0.place < $1.place }
        var best: (place: UInt64, size: UInt64) = (0, 0)
        var run: (place: UInt64, size: UInt64) = (0, 0)
        var end: UInt64 = 0
        for file in sorted {
            // Holes, directories and the like lie between files that belong together.
            if run.size == 0 || file.place > end.addingClamping(runGap) { run = (file.place, 0) }
            run.size = run.size.addingClamping(file.size)
            end = max(end, file.place.addingClamping(file.size))
            if run.size > best.size { best = run }
        }
        return best.place
    }

    private static let runGap: UInt64 = 1 << 20

    /// What the threads share.
    private struct State {
        var findings: [StorePath: Finding] = [:]
        var hashed: UInt64 = 0, bytes: UInt64 = 0
    }

    /// Hashes all paths, and gives how many they were, and the bytes of their NARs.
    func run(
        threads: Int, progress: Progress?, onFinding: (Finding) -> Void
    ) throws(ImageError) -> (paths: UInt64, bytes: UInt64) {
        let total = items.reduce(0 as UInt64) { $0.addingClamping($1.info.narSize) }
        try progress?.begin(.storePaths, total: total)
        let state = Monitor(State())
        try onThreads(threads, sharing: parts.count, by: 1) { (next) throws(ImageError) in
            var writer = NARTreeWriter(tree) { (node, room, offset) throws(ImageError) in
                try linked.read(node, into: room, at: offset)
            }
            while let turn = next()?.lowerBound {
                for item in items[parts[turn]] {
                    let (finding, size) = try check(item, &writer, progress)
                    state.change { state in
                        state.findings[item.info.path] = finding
                        state.hashed += 1
                        state.bytes = state.bytes.addingClamping(size)
                    }
                }
            }
        }
        let result = state.change { $0 }
        for (_, finding) in result.findings.sorted(by: { $0.key < $1.key }) { onFinding(finding) }
        return (result.hashed, result.bytes)
    }

    /// Hashes one path.
    /// - Returns: what is wrong with it, and the bytes of its NAR.
    private func check(
        _ item: Item, _ writer: inout NARTreeWriter, _ progress: Progress?
    ) throws(ImageError) -> (finding: Finding?, size: UInt64) {
        let info = item.info
        var hasher = NARHasher()
        do {
            try writer.write(item.node) { (piece) throws(ImageError) in
                try progress?.checkCancelled()
                hasher.update(piece)
                progress?.advance(UInt64(piece.count))
            }
        } catch {
            guard error.blame.isInput else { throw error }
            return (Finding(.storeUnreadable, error.fault, path: info.path.path), 0)
        }
        let (hash, size) = try hasher.finish()
        if hash != info.narHash {
            let sizes = size == info.narSize ? "" : " (\(size) bytes instead of \(info.narSize))"
            return (
                Finding(
                    .storeContent, "\(info.narHash) is registered, and what is there has \(hash)\(sizes)",
                    path: info.path.path), size
            )
        }
        guard size == info.narSize else {
            return (
                Finding(
                    .storeSize, "its NAR has \(size) bytes, and \(info.narSize) are registered", path: info.path.path),
                size
            )
        }
        return (nil, size)
    }
}

extension FileTree {
    /// Visits every name below (and with) `top`, without saying which.
    fileprivate func eachName(below top: NodeID, _ visit: (NodeID) -> Void) {
        var stack = [top]
        while let node = stack.popLast() {
            visit(node)
            for index in entryRange(of: node) { stack.append(entries[index].node) }
        }
    }

    /// Where a file's first byte lies in the source that it comes from; `nil` where that is unknown, or nothing is there.
    fileprivate func place(of node: NodeID) -> UInt64? {
        guard size(of: node) > 0, case .source(let source, let offset) = content(of: node) else { return nil }
        if let file = source as? ExtentSource { return file.extents.first?.sourceOffset }
        return source is SourceSlice ? offset : nil
    }
}
