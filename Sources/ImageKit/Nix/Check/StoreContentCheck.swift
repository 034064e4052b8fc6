/// Compares the content of store paths in an image with their registration.
///
/// ```
///   disk      ├ path 1 ┤├ path 2 ──┤├ 3 ┤├ path 4 ─────────────┤├ 5 ┤…      in the order of their data
///   batches   ├ batch 0 ────────────────┤├ batch 1 ────────────┤├ 2 …       of several MiB each
///   threads       A                           B                     A       so two threads seldom need the same frame
/// ```
///
/// So each frame of a compressed image is decompressed about once. Files that are hard links of files in other paths
/// are the exception: their content is kept while other names need it and there is room (see ``LinkedContents``).
struct StoreContentCheck: Sendable {
    private struct Item: Sendable {
        var info: PathInfo
        var node: FileTree.NodeID
        /// The offset of most of the path's data, in bytes.
        var offset: UInt64
    }

    private let tree: FileTree
    private let items: [Item]
    /// Items that a thread hashes one after the other.
    private let batches: [Range<Int>]
    private let linked: LinkedContents

    /// The distance on the disk between the beginnings of two batches, in bytes: one or two compressed frames.
    private static let batchSize: UInt64 = 32 << 20

    init(_ paths: [(info: PathInfo, node: FileTree.NodeID)], of tree: FileTree) {
        var names = [UInt32](repeating: 0, count: tree.nodes.count)
        var items: [Item] = []
        for (info, node) in paths {
            var files: [(offset: UInt64, size: UInt64)] = []
            tree.eachName(below: node) { node in
                guard tree.kind(of: node) == .file else { return }
                names[Int(node.index)] &+= 1
                if let offset = tree.sourceOffset(of: node) { files.append((offset, tree.size(of: node))) }
            }
            items.append(Item(info: info, node: node, offset: Self.mainOffset(of: files)))
        }
        items.sort { ($0.offset, $0.info.path) < ($1.offset, $1.info.path) }
        self.tree = tree
        self.items = items
        linked = LinkedContents(tree, names: names)
        var batches: [Range<Int>] = []
        var start = 0
        for index in items.indices where index > start && items[index].offset - items[start].offset >= Self.batchSize {
            batches.append(start..<index)
            start = index
        }
        if start < items.count { batches.append(start..<items.count) }
        self.batches = batches
    }

    /// The offset at which most of a path's data begins. Files that another path has too may be elsewhere.
    private static func mainOffset(of files: [(offset: UInt64, size: UInt64)]) -> UInt64 {
        let sorted = files.sorted { $0.offset < $1.offset }
        var best: (offset: UInt64, size: UInt64) = (0, 0)
        var region: (offset: UInt64, size: UInt64) = (0, 0)
        var end: UInt64 = 0
        for file in sorted {
            // Holes and directories may be between files of the same region.
            if region.size == 0 || file.offset > end.addingClamping(maximumGap) { region = (file.offset, 0) }
            region.size = region.size.addingClamping(file.size)
            end = max(end, file.offset.addingClamping(file.size))
            if region.size > best.size { best = region }
        }
        return best.offset
    }

    /// The largest gap between two files of a region, in bytes.
    private static let maximumGap: UInt64 = 1 << 20

    /// The state that the threads share.
    private struct State {
        var findings: [StorePath: Finding] = [:]
        var hashed: UInt64 = 0, bytes: UInt64 = 0
    }

    /// Hashes all paths.
    /// - Returns: the number of paths, and the bytes of their NARs.
    func run(
        threads: Int, progress: Progress?, onFinding: (Finding) -> Void
    ) throws(ImageError) -> (paths: UInt64, bytes: UInt64) {
        let total = items.reduce(0 as UInt64) { $0.addingClamping($1.info.narSize) }
        try progress?.begin(.storePaths, total: total)
        let state = Monitor(State())
        try onThreads(threads, sharing: batches.count, by: 1) { (next) throws(ImageError) in
            var writer = NARTreeWriter(tree) { (node, memory, offset) throws(ImageError) in
                try linked.read(node, into: memory, at: offset)
            }
            while let index = next()?.lowerBound {
                for item in items[batches[index]] {
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
    /// - Returns: a finding if it differs from its registration, and the bytes of its NAR.
    private func check(
        _ item: Item, _ writer: inout NARTreeWriter, _ progress: Progress?
    ) throws(ImageError) -> (finding: Finding?, size: UInt64) {
        let info = item.info
        var hasher = NARHasher()
        do {
            try writer.write(item.node) { (chunk) throws(ImageError) in
                try progress?.checkCancelled()
                hasher.update(chunk)
                progress?.advance(UInt64(chunk.count))
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
    /// Visits the node of every name below a node, and the node itself. A node with several names is visited for each.
    fileprivate func eachName(below top: NodeID, _ visit: (NodeID) -> Void) {
        var stack = [top]
        while let node = stack.popLast() {
            visit(node)
            for index in entryRange(of: node) { stack.append(entries[index].node) }
        }
    }

    /// The offset of a file's first byte in its source; `nil` if it is not known, or the file is empty.
    fileprivate func sourceOffset(of node: NodeID) -> UInt64? {
        guard size(of: node) > 0, case .source(let source, let offset) = content(of: node) else { return nil }
        if let file = source as? ExtentSource { return file.extents.first?.sourceOffset }
        return source is SourceSlice ? offset : nil
    }
}
