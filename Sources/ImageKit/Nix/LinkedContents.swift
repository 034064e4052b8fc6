/// Files' bytes, of which those that several names lead to are kept until the last of these has been read, as far as there
/// is room.
///
/// Names of one file lie in different store paths, and so far apart on the disk: to read the file for each of them would
/// decompress its part of an image anew each time.
final class LinkedContents: Sendable {
    /// As many bytes are kept.
    private static let bound = 96 << 20
    /// Larger files are read anew.
    private static let largest = 24 << 20

    private struct State {
        var kept: [UInt32: [UInt8]] = [:]
        var bytes = 0
        /// How many names of each file are still to be read.
        var names: [UInt32]
    }

    private let tree: FileTree
    private let state: Monitor<State>

    /// - Parameter names: how many names each of the tree's nodes has among those that will be read.
    init(_ tree: FileTree, names: [UInt32]) {
        self.tree = tree
        state = Monitor(State(names: names))
    }

    /// Fills a buffer with bytes of a file from an offset on. A name counts as read when its last byte is.
    func read(
        _ node: FileTree.NodeID, into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64
    ) throws(ImageError) {
        try tree.read(node, into: buffer, at: offset)
    }
}
