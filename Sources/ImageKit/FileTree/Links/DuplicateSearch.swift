import Crypto

/// Finds files with equal content: by size, permissions and owner, then by a fingerprint of the first block, then by
/// comparing all bytes.
struct DuplicateSearch {
    private struct Candidate {
        var node: FileTree.NodeID
        var size: UInt64
        var permissions: UInt16
        /// User and group.
        var owner: UInt64
        /// 0 until the first block is read.
        var fingerprint: UInt64

        func isAlike(_ candidate: Candidate) -> Bool {
            size == candidate.size && permissions == candidate.permissions && owner == candidate.owner
                && fingerprint == candidate.fingerprint
        }
    }

    /// A file, and the representative of all files with its content.
    private typealias Match = (node: FileTree.NodeID, representative: FileTree.NodeID)

    private let tree: FileTree
    private var candidates: [Candidate] = []

    /// The files below `top` are compared.
    init(tree: FileTree, top: FileTree.NodeID) {
        self.tree = tree
        var seen = [Bool](repeating: false, count: tree.nodes.count)
        for node in tree.nodesInOrder(from: top, seen: &seen) where tree.kind(of: node) == .file {
            let attributes = tree.attributes(of: node)
            candidates.append(
                Candidate(
                    node: node, size: tree.size(of: node), permissions: attributes.permissions,
                    owner: UInt64(attributes.owner) << 32 | UInt64(attributes.group),
                    fingerprint: tree.fingerprint(of: node)))
        }
    }

    /// Sets `classes[n]`, for every file `n` with duplicates, to the representative of all files with its content.
    mutating func run(threads: Int, progress: Progress?, into classes: inout [UInt32]) throws(ImageError) {
        removeUniqueSizes()
        try progress?.begin(.deduplicate, total: UInt64(candidates.count))
        try fingerprint(threads: threads, progress: progress)
        candidates.sort {
            ($0.size, $0.permissions, $0.owner, $0.fingerprint, $0.node) < (
                $1.size, $1.permissions, $1.owner, $1.fingerprint, $1.node
            )
        }
        var alike: [Range<Int>] = []
        var start = 0
        while start < candidates.count {
            var end = start + 1
            while end < candidates.count, candidates[end].isAlike(candidates[start]) { end += 1 }
            if end - start > 1 { alike.append(start..<end) }
            start = end
        }
        progress?.advance(UInt64(candidates.count - alike.reduce(0) { $0 + $1.count }))
        for match in try compare(alike, threads: threads, progress: progress) {
            classes[Int(match.node.index)] = match.representative.index
        }
    }

    /// Removes the candidates whose size no other candidate has.
    private mutating func removeUniqueSizes() {
        var counts: [UInt64: Int] = [:]
        for candidate in candidates { counts[candidate.size, default: 0] += 1 }
        candidates.removeAll { counts[$0.size] == 1 }
    }

    /// Reads the first block of every candidate without a fingerprint. Those are the files that the scan did not read,
    /// and files in memory.
    ///
    /// Threads read in tree order, which suits a cold disk. There, many threads wait for the disk, so batches are
    /// small.
    private mutating func fingerprint(threads: Int, progress: Progress?) throws(ImageError) {
        let unknown = candidates.indices.filter { candidates[$0].fingerprint == 0 }
        let (all, tree) = (candidates, tree)
        let shared = Monitor([UInt64](repeating: 0, count: unknown.count))
        try onThreads(threads, sharing: unknown.count, by: 32) { (next) throws(ImageError) in
            var buffer = [UInt8](repeating: 0, count: Fingerprint.length)
            while let batch = next() {
                var found: [UInt64] = []
                found.reserveCapacity(batch.count)
                for index in batch {
                    let candidate = all[unknown[index]]
                    let count = Int(min(candidate.size, UInt64(Fingerprint.length)))
                    try tree.read(candidate.node, count: count, at: 0, into: &buffer)
                    found.append(
                        buffer.withUnsafeBytes { Fingerprint.of(UnsafeRawBufferPointer(rebasing: $0[..<count])) })
                }
                try progress?.checkCancelled()
                shared.change { $0.replaceSubrange(batch, with: found) }
            }
        }
        for (index, fingerprint) in zip(unknown, shared.change { $0 }) { candidates[index].fingerprint = fingerprint }
    }

    /// Compares groups of candidates that look alike, several groups at once. The groups with the largest files come
    /// first, so that the threads finish at about the same time.
    private func compare(
        _ groups: [Range<Int>], threads: Int, progress: Progress?
    ) throws(ImageError) -> [Match] {
        let all = Monitor([Match]())
        try onThreads(threads, sharing: groups.count, by: 1) { [self] (next) throws(ImageError) in
            var matches: [Match] = []
            while let index = next()?.lowerBound {
                let group = groups[groups.count - 1 - index]
                try compare(group, progress: progress, into: &matches)
                progress?.advance(UInt64(group.count))
            }
            all.change { $0 += matches }
        }
        return all.change { $0 }
    }

    /// Divides a group of candidates that look alike into classes of equal content.
    ///
    /// Each candidate is compared with the representatives of the classes so far. When there are many, it is compared
    /// only with the representative that has the same digest.
    private func compare(
        _ range: Range<Int>, progress: Progress?, into matches: inout [Match]
    ) throws(ImageError) {
        var representatives: [FileTree.NodeID] = []
        var byDigest: [[UInt8]: FileTree.NodeID] = [:]
        for candidate in candidates[range] {
            try progress?.checkCancelled()
            var rivals = representatives
            var digest: [UInt8] = []
            if representatives.count >= Self.maximumCompared {
                if byDigest.isEmpty {
                    for node in representatives { byDigest[try tree.digest(of: node, size: candidate.size)] = node }
                }
                digest = try tree.digest(of: candidate.node, size: candidate.size)
                rivals = byDigest[digest].map { [$0] } ?? []
            }
            var match: FileTree.NodeID?
            for rival in rivals where try tree.haveSameContent(rival, candidate.node, size: candidate.size) {
                match = rival
                break
            }
            if let match {
                matches.append((candidate.node, match))
            } else {
                representatives.append(candidate.node)
                if !digest.isEmpty { byDigest[digest] = candidate.node }
            }
        }
    }

    /// The number of representatives from which digests are used.
    private static let maximumCompared = 4
}

extension FileTree {
    /// The ``Fingerprint`` of a file; 0 if the scan did not compute it.
    fileprivate func fingerprint(of node: NodeID) -> UInt64 {
        if case .host(let file) = content(of: node) { hostFiles.fingerprint(of: file) } else { 0 }
    }

    /// Whether two files of `size` bytes have equal content.
    fileprivate func haveSameContent(_ left: NodeID, _ right: NodeID, size: UInt64) throws(ImageError) -> Bool {
        guard size > 0 else { return true }
        let step: UInt64 = 1 << 18, length = Int(min(step, size))
        let buffer = PageBuffer(count: 2 * length, alignment: 64)
        let leftFile = try OpenContent(left, of: self), rightFile = try OpenContent(right, of: self)
        var offset: UInt64 = 0
        while offset < size {
            let count = Int(min(step, size - offset))
            let leftBytes = buffer.prefix(count)
            let rightBytes = UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[length..<length + count])
            try leftFile.read(into: leftBytes, at: offset)
            try rightFile.read(into: rightBytes, at: offset)
            guard UnsafeRawBufferPointer(leftBytes).isEqual(to: UnsafeRawBufferPointer(rightBytes)) else {
                return false
            }
            offset += UInt64(count)
        }
        // Only one of the two is read again later, so both are checked now.
        try leftFile.checkUnchanged()
        try rightFile.checkUnchanged()
        return true
    }

    /// The SHA-256 of a file of `size` bytes.
    fileprivate func digest(of node: NodeID, size: UInt64) throws(ImageError) -> [UInt8] {
        var hash = SHA256()
        let buffer = PageBuffer(count: Int(min(1 << 18, size)), alignment: 64)
        let file = try OpenContent(node, of: self)
        var offset: UInt64 = 0
        while offset < size {
            let bytes = buffer.prefix(Int(min(UInt64(buffer.bytes.count), size - offset)))
            try file.read(into: bytes, at: offset)
            hash.update(bufferPointer: UnsafeRawBufferPointer(bytes))
            offset += UInt64(bytes.count)
        }
        return Array(hash.finalize())
    }
}
