/// Reads the small files of an image from a cold disk while the image is being planned.
///
/// ```
///   scan ── comparison of files ── search for similar files ── layout ── compression
///           └─ reading ahead, in the order of the image ────────────┘
/// ```
///
/// Planning reads a little of many files, with many threads (``readers``). The remaining capacity of the disk goes to
/// the files that are compressed first. They are requested one at a time, because requests of planning wait behind all
/// earlier requests.
///
/// Reading is limited to a part of the free memory, and ends with this value.
struct ReadAhead: ~Copyable {
    /// Bytes that may still be read.
    private let bytesLeft: Monitor<UInt64>
    private var threads = Threads()
    /// Whether the disk is cold, so that reading began.
    let isNeeded: Bool

    /// The number of threads for reads that wait for a cold disk: a property of disks, not of processors.
    static var readers: Int { DiskReads.threads(atMost: 16) }
    /// Files from this size on, in bytes, are left to the compression.
    private static let largeSize = ContentSampler.minimumWindows * ContentSampler.stride
    /// The number of files that are read to find out whether the disk is cold.
    private static let probes = 64

    /// Begins to read the files of a tree: unit by unit, then the rest.
    ///
    /// - Parameters:
    ///   - isCold: whether the scan had to read a disk. If not, a few files are read first to find out.
    ///   - budget: bytes that may be read. It is computed only if the disk is cold.
    init(
        _ tree: FileTree, _ hints: LayoutHints = LayoutHints(), isCold: Bool,
        budget: @autoclosure () -> UInt64 = HostMemory.spare / 4
    ) {
        let budget = isCold || Self.mustRead(tree) ? budget() : 0
        bytesLeft = Monitor(budget)
        isNeeded = budget > 0
        guard isNeeded else { return }
        let ids = Self.smallFiles(of: tree, hints), files = tree.hostFiles
        // Without the thread, everything only takes longer.
        try? threads.start { [bytesLeft] in
            for file in ids {
                let size = files.identity(of: file).size
                let isDone = bytesLeft.change { left in
                    defer { left = size <= left ? left - size : 0 }
                    return size > left
                }
                if isDone { return }
                guard let open = try? HostFile(file, of: files, isChecked: false) else { continue }
                open.prefetch(size, at: 0)
                Self.touch(open, at: size - 1)
            }
        }
    }

    /// Ends reading.
    consuming func stop() {}

    /// Waits until all files are read, or the budget is used up.
    consuming func stopWhenDone() { threads.join() }

    deinit { bytesLeft.change { $0 = 0 } }

    private static func smallFiles(of tree: FileTree, _ hints: LayoutHints) -> [HostFiles.FileID] {
        var seen = [Bool](repeating: false, count: tree.nodes.count)
        var ordered = hints.units.flatMap { tree.nodesInOrder(from: $0.node, seen: &seen) }
        for index in seen.indices where !seen[index] { ordered.append(FileTree.NodeID(index: UInt32(index))) }
        return ordered.compactMap { smallFile($0, of: tree) }
    }

    /// The host file of a node, if it is small and the scan did not read all of it.
    private static func smallFile(_ id: FileTree.NodeID, of tree: FileTree) -> HostFiles.FileID? {
        guard tree.kind(of: id) == .file, case .host(let file) = tree.content(of: id) else { return nil }
        let bytesRead = tree.hostFiles.fingerprint(of: file) == 0 ? 0 : UInt64(Fingerprint.length)
        return (bytesRead + 1..<largeSize).contains(tree.size(of: id)) ? file : nil
    }

    /// Whether some of the files must be read from a disk, judged by a few of them.
    private static func mustRead(_ tree: FileTree) -> Bool {
        let ids = tree.nodes.indices.compactMap { smallFile(FileTree.NodeID(index: UInt32($0)), of: tree) }
        let reads = DiskReads()
        return stride(from: 0, to: ids.count, by: max(1, ids.count.dividedRoundingUp(by: probes))).contains { index in
            let size = tree.hostFiles.identity(of: ids[index]).size
            if let open = try? HostFile(ids[index], of: tree.hostFiles, isChecked: false) { touch(open, at: size - 1) }
            return reads.isCold
        }
    }

    /// Waits until a byte of a file is in memory.
    private static func touch(_ file: borrowing HostFile, at offset: UInt64) {
        withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { byte in
            try? file.read(into: byte, at: offset)
        }
    }
}
