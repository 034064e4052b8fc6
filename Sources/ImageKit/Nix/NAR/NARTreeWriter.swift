/// Serialises parts of a tree as NARs, one after the other, through one buffer.
///
/// What is hashed comes from where the tree has it: memory, the host, or an image.
struct NARTreeWriter: ~Copyable {
    /// A file's bytes are read so many at a time.
    static let bufferSize = 1 << 20

    private let tree: FileTree
    private var buffer = NARBuffer(size: bufferSize)
    private let read: Read

    /// Fills a buffer with bytes of a file's content from an offset on.
    typealias Read = (FileTree.NodeID, UnsafeMutableRawBufferPointer, UInt64) throws(ImageError) -> Void

    /// - Parameter read: what gives files' bytes.
    init(_ tree: FileTree, read: @escaping Read) {
        self.tree = tree
        self.read = read
    }

    /// Serialises what is below a node, in the order of the names' bytes. The walk is not recursive.
    mutating func write(_ top: FileTree.NodeID, to sink: NARBuffer.Sink) throws(ImageError) {
        buffer.clear()
        var stack: [Range<Int>] = []
        try buffer.string("nix-archive-1", sink)
        try begin(top, &stack, sink)
        while let range = stack.last {
            guard let index = range.first else {
                stack.removeLast()
                // The end of the directory's node, and of its entry.
                try buffer.string(")", sink)
                if !stack.isEmpty { try buffer.string(")", sink) }
                continue
            }
            stack[stack.count - 1] = range.dropFirst()
            try buffer.string("entry", sink)
            try buffer.string("(", sink)
            try buffer.string("name", sink)
            try buffer.string(tree.name(ofEntry: index), sink)
            try buffer.string("node", sink)
            if try !begin(tree.entries[index].node, &stack, sink) { try buffer.string(")", sink) }
        }
        try buffer.flush(sink)
    }

    /// Writes a node, of a directory only the beginning, and says whether it is a directory.
    @discardableResult
    private mutating func begin(
        _ node: FileTree.NodeID, _ stack: inout [Range<Int>], _ sink: NARBuffer.Sink
    ) throws(ImageError) -> Bool {
        try buffer.string("(", sink)
        try buffer.string("type", sink)
        switch tree.kind(of: node) {
        case .directory:
            try buffer.string("directory", sink)
            stack.append(tree.entryRange(of: node))
            return true
        case .symlink:
            try buffer.string("symlink", sink)
            try buffer.string("target", sink)
            try buffer.string(tree.target(of: node), sink)
        case .file:
            try buffer.string("regular", sink)
            if tree.attributes(of: node).permissions & 0o100 != 0 {
                try buffer.string("executable", sink)
                try buffer.string("", sink)
            }
            try buffer.string("contents", sink)
            let read = read
            try buffer.contents(tree.size(of: node), sink) { (room, offset) throws(ImageError) in
                try read(node, room, offset)
                return room.count
            }
        }
        try buffer.string(")", sink)
        return false
    }
}
