/// Reads small files that an image takes while it is still being planned, where they lie on a cold disk.
///
/// ```
///   finding names ── comparing files ── looking for similar ones ── laying out ── compressing
///                    └─ reading ahead, in the order of the image ─┘
/// ```
///
/// Planning needs a little of many files at once, and more threads ask for that (``readers``). What the disk could do besides
/// goes to the files that are compressed first. One file at a time: what planning asks for waits behind everything that was
/// asked for before.
///
/// It reads no more than a part of the memory that is free, and stops when it goes away.
struct ReadAhead: ~Copyable {
    /// Bytes that may still be read.
    private let left: Monitor<UInt64>
    private var threads = Threads()
    /// Whether something had to be read from a disk, so that it began.
    let isNeeded: Bool

    /// Threads for reads that wait for a cold disk: what it does at once, not what processors do.
    static var readers: Int { DiskReads.threads(atMost: 16) }
    /// Files from this size on, in bytes, are left to whoever compresses them.
    private static let large = ContentSampler.leastWindows * ContentSampler.stride
    /// Files that are looked at to find out whether it is worth while.
    private static let probes = 64

    /// Begins to read a tree's files: unit by unit, then the rest.
    ///
    /// - Parameters:
    ///   - isCold: whether a disk had to be read for their names. If not, a few files are looked at first.
    ///   - budget: bytes that may be read.
    init(
        _ tree: FileTree, _ hints: LayoutHints = LayoutHints(), isCold: Bool,
        budget: @autoclosure () -> UInt64 = HostMemory.spare / 4
    ) {
        // How much memory is free is asked only where something is to be read.
        let budget = isCold || Self.mustRead(tree) ? budget() : 0
        left = Monitor(budget)
        isNeeded = budget > 0
        guard isNeeded else { return }
        let ids = Self.smallFiles(of: tree, hints), files = tree.hostFiles
        // Without it, all only takes longer.
        try? threads.start { [left] in
            for file in ids {
                let size = files.identity(of: file).size
                let isLast = left.change { left in
                    defer { left = size <= left ? left - size : 0 }
                    return size > left
                }
                if isLast { return }
                guard let open = try? HostFile(file, of: files, isChecked: false) else { continue }
                open.prefetch(size, at: 0)
                Self.touch(open, at: size - 1)
            }
        }
    }

    /// Reads no more.
    consuming func stop() {}

    /// Waits until all is read, as far as it may be.
    consuming func stopWhenDone() { threads.join() }

    deinit { left.change { $0 = 0 } }

    private static func smallFiles(of tree: FileTree, _ hints: LayoutHints) -> [HostFiles.FileID] {
        var seen = [Bool](repeating: false, count: tree.nodes.count)
        var ordered = hints.units.flatMap { tree.nodesInOrder(from: $0.node, seen: &seen) }
        for index in seen.indices where !seen[index] { ordered.append(FileTree.NodeID(index: UInt32(index))) }
        return ordered.compactMap { smallFile($0, of: tree) }
    }

    /// The host's file of a node, where it is one that is not in memory whole since it was found.
    private static func smallFile(_ id: FileTree.NodeID, of tree: FileTree) -> HostFiles.FileID? {
        guard tree.kind(of: id) == .file, case .host(let file) = tree.content(of: id) else { return nil }
        let read = tree.hostFiles.fingerprint(of: file) == 0 ? 0 : UInt64(Fingerprint.length)
        return (read + 1..<large).contains(tree.size(of: id)) ? file : nil
    }

    /// Whether some of the files must be read from a disk: a few of them are looked at.
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
    private static func touch(_ file: borrowing HostFile, at place: UInt64) {
        withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { byte in
            try? file.read(into: byte, at: place)
        }
    }
}
