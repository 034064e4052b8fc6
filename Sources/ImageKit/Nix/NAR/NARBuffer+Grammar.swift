/// The productions of the archive format: see ``NAR``.
extension NARBuffer {
    /// Writes the beginning of an archive; its one node follows.
    mutating func beginArchive(_ sink: Sink) throws(ImageError) {
        try string("nix-archive-1", sink)
    }

    /// Writes the beginning of a directory; its entries and ``endNode(_:)`` follow.
    mutating func beginDirectory(_ sink: Sink) throws(ImageError) {
        try beginNode("directory", sink)
    }

    /// Writes the beginning of a directory's entry; its node and ``endEntry(_:)`` follow.
    mutating func beginEntry(_ name: some RandomAccessCollection<UInt8>, _ sink: Sink) throws(ImageError) {
        try string("entry", sink)
        try string("(", sink)
        try string("name", sink)
        try string(name, sink)
        try string("node", sink)
    }

    /// Writes the end of a directory's entry.
    mutating func endEntry(_ sink: Sink) throws(ImageError) { try string(")", sink) }

    /// Writes a symbolic link.
    mutating func symlink(to target: some RandomAccessCollection<UInt8>, _ sink: Sink) throws(ImageError) {
        try beginNode("symlink", sink)
        try string("target", sink)
        try string(target, sink)
        try endNode(sink)
    }

    /// Writes a file up to its content; ``contents(_:_:read:)`` and ``endNode(_:)`` follow.
    mutating func beginFile(isExecutable: Bool, _ sink: Sink) throws(ImageError) {
        try beginNode("regular", sink)
        if isExecutable {
            try string("executable", sink)
            try string("", sink)
        }
        try string("contents", sink)
    }

    /// Writes the end of a directory or file.
    mutating func endNode(_ sink: Sink) throws(ImageError) { try string(")", sink) }

    private mutating func beginNode(_ type: StaticString, _ sink: Sink) throws(ImageError) {
        try string("(", sink)
        try string("type", sink)
        try string(type, sink)
    }
}
