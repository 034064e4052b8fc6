import Crypto

/// Finds files with the same content: by size and executable bit, then by a fingerprint of the first block, then by
/// comparing every byte.
struct DuplicateSearch {
    private struct Candidate {
        var node: FileTree.NodeID
        var size: UInt64
        var permissions: UInt16
        var owner: UInt64
        var fingerprint: UInt64

        func isAlike(_ other: Candidate) -> Bool {
            size == other.size && permissions == other.permissions && owner == other.owner
                && fingerprint == other.fingerprint
        }
    }

    /// A file, and the one that stands for all with its content.
    private typealias Match = (node: FileTree.NodeID, first: FileTree.NodeID)

    private let tree: FileTree
    private var candidates: [Candidate] = []

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

    /// Sets `classes[n]`, for every file, to the node that stands for all files with its content.
    mutating func run(threads: Int, progress: Progress?, into classes: inout [UInt32]) throws(ImageError) {
        keepThoseThatShareASize()
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
            classes[Int(match.node.index)] = match.first.index
        }
    }

    private mutating func keepThoseThatShareASize() {
        var counts: [UInt64: Int] = [:]
        for candidate in candidates { counts[candidate.size, default: 0] += 1 }
        candidates.removeAll { counts[$0.size] == 1 }
    }

    /// Reads the first block of every candidate that was not read when it was found, or is in memory. They are taken in tree order, several
    /// at once, which a cold disk likes: each of so many threads waits for it, so batches are small.
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

    /// Compares candidates that look alike, several groups of them at once: the largest files first, so that no thread is left
    /// alone with one at the end.
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

    /// Divides candidates that look alike into classes of equal content. A few are compared with each other; of many, each
    /// is compared with the one that has the same digest.
    private func compare(
        _ range: Range<Int>, progress: Progress?, into matches: inout [Match]
    ) throws(ImageError) {
        var representatives: [FileTree.NodeID] = []
        var byDigest: [[UInt8]: FileTree.NodeID] = [:]
        for candidate in candidates[range] {
            try progress?.checkCancelled()
            var rivals = representatives
            var digest: [UInt8] = []
            if representatives.count >= Self.mostCompared {
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

    /// Different contents that look alike, up to which each new one is compared with all.
    private static let mostCompared = 4
}

extension FileTree {
    /// The ``Fingerprint`` of a file; 0 where it was not made when the file was found.
    fileprivate func fingerprint(of node: NodeID) -> UInt64 {
        if case .host(let file) = content(of: node) { hostFiles.fingerprint(of: file) } else { 0 }
    }

    fileprivate func haveSameContent(_ one: NodeID, _ other: NodeID, size: UInt64) throws(ImageError) -> Bool {
        guard size > 0 else { return true }
        let step: UInt64 = 1 << 18, length = Int(min(step, size))
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * length, alignment: 64)
        defer { buffer.deallocate() }
        let file = try OpenContent(one, of: self), otherFile = try OpenContent(other, of: self)
        var offset: UInt64 = 0
        while offset < size {
            let count = Int(min(step, size - offset))
            let own = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
            let others = UnsafeMutableRawBufferPointer(rebasing: buffer[length..<length + count])
            try file.read(into: own, at: offset)
            try otherFile.read(into: others, at: offset)
            guard UnsafeRawBufferPointer(own).isEqual(to: UnsafeRawBufferPointer(others)) else { return false }
            offset += UInt64(count)
        }
        // Only one of the two will be read again, whichever has the first name.
        try file.checkUnchanged()
        try otherFile.checkUnchanged()
        return true
    }

    fileprivate func digest(of node: NodeID, size: UInt64) throws(ImageError) -> [UInt8] {
        var hash = SHA256()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(min(1 << 18, size)), alignment: 64)
        defer { buffer.deallocate() }
        let file = try OpenContent(node, of: self)
        var offset: UInt64 = 0
        while offset < size {
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(min(UInt64(buffer.count), size - offset))])
            try file.read(into: part, at: offset)
            hash.update(bufferPointer: UnsafeRawBufferPointer(part))
            offset += UInt64(part.count)
        }
        return Array(hash.finalize())
    }
}
