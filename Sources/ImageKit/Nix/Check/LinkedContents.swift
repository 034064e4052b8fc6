/// Caches the content of hard-linked files until their last name has been read, up to a fixed size.
///
/// The names of a file are in different store paths, which may be far apart on the disk. Without the cache, each name
/// would decompress the file's part of the image again.
final class LinkedContents: Sendable {
    /// The size of the cache in bytes.
    private static let maximumSize = 64 << 20
    /// The largest file that is kept, in bytes.
    private static let maximumFileSize: UInt64 = 16 << 20

    private struct State {
        var kept: [UInt32: [UInt8]] = [:]
        var bytes = 0
        /// The number of names of each node that are still to be read.
        var names: [UInt32]
    }

    private let tree: FileTree
    private let state: Monitor<State>

    /// - Parameter names: the number of names of each node of the tree, among those that will be read.
    init(_ tree: FileTree, names: [UInt32]) {
        self.tree = tree
        state = Monitor(State(names: names))
    }

    /// Fills a buffer with the content of a file from an offset on. Each name's content is read once, from its first to
    /// its last byte.
    func read(
        _ node: FileTree.NodeID, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(ImageError) {
        let size = tree.size(of: node)
        guard size <= Self.maximumFileSize,
            let kept = try content(node, size, isLast: offset + UInt64(buffer.count) == size)
        else { return try tree.read(node, into: buffer, at: offset) }
        buffer.copyBytes(from: kept[Int(offset)..<Int(offset) + buffer.count])
    }

    /// The content of a file if it is kept, or is to be kept because other names will be read; otherwise `nil`.
    private func content(_ node: FileTree.NodeID, _ size: UInt64, isLast: Bool) throws(ImageError) -> [UInt8]? {
        let index = Int(node.index)
        let (kept, isWanted) = state.change { state -> ([UInt8]?, Bool) in
            let names = state.names[index]
            let kept = state.kept[node.index]
            if isLast, names > 0 { state.names[index] = names - 1 }
            if isLast, names <= 1, let kept {
                state.kept[node.index] = nil
                state.bytes -= kept.count
            }
            return (kept, names > 1 && state.bytes + Int(size) <= Self.maximumSize)
        }
        if let kept { return kept }
        guard isWanted else { return nil }
        let bytes = try tree.read(node, atMost: Int(size))
        state.change { state in
            guard state.names[index] > 0, state.kept[node.index] == nil else { return }
            state.kept[node.index] = bytes
            state.bytes += bytes.count
        }
        return bytes
    }
}
