/// Serialises nodes of a tree as NARs, one after the other, through one buffer.
///
/// The content of files is in memory, on the host, or in an image, wherever the tree has it.
struct NARTreeWriter: ~Copyable {
    /// How much of a file is read at a time, in bytes.
    static let bufferSize = 1 << 20

    private let tree: FileTree
    private var buffer = NARBuffer(size: bufferSize)
    private let read: Read

    /// Fills a buffer with the content of a file from an offset on.
    typealias Read = (FileTree.NodeID, UnsafeMutableRawBufferPointer, UInt64) throws(ImageError) -> Void

    /// - Parameter read: reads the content of files.
    init(_ tree: FileTree, read: @escaping Read) {
        self.tree = tree
        self.read = read
    }

    /// Serialises a node and everything below it, sorted by the bytes of the names. The walk is not recursive.
    mutating func write(_ top: FileTree.NodeID, to sink: NARBuffer.Sink) throws(ImageError) {
        buffer.clear()
        var stack: [Range<Int>] = []
        try buffer.beginArchive(sink)
        try begin(top, &stack, sink)
        while let range = stack.last {
            guard let index = range.first else {
                stack.removeLast()
                try buffer.endNode(sink)
                if !stack.isEmpty { try buffer.endEntry(sink) }
                continue
            }
            stack[stack.count - 1] = range.dropFirst()
            try buffer.beginEntry(tree.name(ofEntry: index), sink)
            if try !begin(tree.entries[index].node, &stack, sink) { try buffer.endEntry(sink) }
        }
        try buffer.flush(sink)
    }

    /// Writes a file or link, or the beginning of a directory.
    /// - Returns: whether the node is a directory, whose entries are on the stack.
    @discardableResult
    private mutating func begin(
        _ node: FileTree.NodeID, _ stack: inout [Range<Int>], _ sink: NARBuffer.Sink
    ) throws(ImageError) -> Bool {
        switch tree.kind(of: node) {
        case .directory:
            try buffer.beginDirectory(sink)
            stack.append(tree.entryRange(of: node))
            return true
        case .symlink:
            try buffer.symlink(to: tree.target(of: node), sink)
        case .file:
            try buffer.beginFile(isExecutable: tree.attributes(of: node).permissions & 0o100 != 0, sink)
            let read = read
            try buffer.contents(tree.size(of: node), sink) { (memory, offset) throws(ImageError) in
                try read(node, memory, offset)
                return memory.count
            }
            try buffer.endNode(sink)
        }
        return false
    }
}
