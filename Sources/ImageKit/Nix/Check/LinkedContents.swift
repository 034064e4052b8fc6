/// Files' bytes, of which those that several names lead to are kept until the last of these has been read, as far as there
/// is room.
///
/// Names of one file lie in different store paths, and so far apart on the disk: to read the file for each of them would
/// decompress its part of an image anew each time.
final class LinkedContents: Sendable {
    /// As many bytes are kept.
    private static let bound = 64 << 20
    /// Larger files are read anew.
    private static let largest: UInt64 = 16 << 20

    private struct State {
        var kept: [UInt32: [UInt8]] = [:]
        var bytes = 0
        /// How many names of each file are still to be read; those of files with one name do not count.
        var names: [UInt32]
    }

    private let tree: FileTree
    private let state: Monitor<State>

    /// - Parameter names: how many names each of the tree's nodes has among those that will be read.
    init(_ tree: FileTree, names: [UInt32]) {
        self.tree = tree
        state = Monitor(State(names: names))
    }

    /// Fills a buffer with bytes of a file from an offset on. Each name's are asked for once, from the first to the last.
    func read(
        _ node: FileTree.NodeID, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(ImageError) {
        let size = tree.size(of: node)
        guard size <= Self.largest, let kept = try content(node, size, isLast: offset + UInt64(buffer.count) == size)
        else { return try tree.read(node, into: buffer, at: offset) }
        buffer.copyBytes(from: kept[Int(offset)..<Int(offset) + buffer.count])
    }

    /// A file's bytes where it has other names and they are kept.
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
            return (kept, names > 1 && state.bytes + Int(size) <= Self.bound)
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
