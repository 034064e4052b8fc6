extension FileTree {
    /// The content of a file, open for many reads.
    struct OpenContent: ~Copyable {
        private let host: HostFile?
        private let content: Content

        /// Opens the content of a file.
        ///
        /// - Parameters:
        ///   - isRandom: whether reads will not be sequential.
        ///   - isChecked: whether to check at once that a host file still is the file that was planned. Otherwise
        ///     ``checkUnchanged()`` can check it after reading.
        init(_ node: NodeID, of tree: FileTree, isRandom: Bool = false, isChecked: Bool = false) throws(ImageError) {
            content = tree.content(of: node)
            guard case .host(let file) = content else {
                host = nil
                return
            }
            let open = try HostFile(file, of: tree.hostFiles, isChecked: isChecked)
            if isRandom { open.expectRandomReads() }
            host = consume open
        }

        /// Fills a buffer from `offset` on. The content must have that many bytes.
        func read(into target: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
            switch content {
            case .bytes(let memory): target.copyBytes(from: memory.dropFirst(Int(offset)).prefix(target.count))
            case .host: try host?.read(into: target, at: offset)
            case .source(let source, let start): try source.read(into: target, at: start + offset)
            }
        }

        /// Asks the kernel to load a range into memory soon.
        func prefetch(_ length: UInt64, at offset: UInt64) { host?.prefetch(length, at: offset) }

        /// Whether the host's filesystem knows that a range is zero; `false` if it cannot tell.
        func isHole(_ range: Range<UInt64>) -> Bool { host?.isHole(range) ?? false }

        /// Throws ``ImageError/Code/changed`` if a host file is no longer the file that was planned.
        func checkUnchanged() throws(ImageError) { try host?.checkUnchanged() }
    }

    /// The first bytes of a regular file, at most `limit`; empty for other nodes.
    func read(_ node: NodeID, atMost limit: Int) throws(ImageError) -> [UInt8] {
        guard kind(of: node) == .file else { return [] }
        var bytes = [UInt8](repeating: 0, count: Int(min(size(of: node), UInt64(max(0, limit)))))
        try read(node, count: bytes.count, at: 0, into: &bytes, isChecked: true)
        return bytes
    }

    /// Reads `count` bytes of a file into the beginning of a buffer, which must be large enough.
    ///
    /// - Parameter isChecked: whether to check that a host file still is the file that was planned. (This is checked
    ///   again when its bytes go into the image.)
    func read(
        _ node: NodeID, count: Int, at offset: UInt64, into buffer: inout [UInt8], isChecked: Bool = false
    ) throws(ImageError) {
        guard count > 0 else { return }
        var span = buffer.mutableSpan
        try span.withUnsafeMutableBytes { (bytes) throws(ImageError) in
            let target = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
            try read(node, into: target, at: offset, isChecked: isChecked)
        }
    }

    /// Fills a buffer with bytes of a file from `offset` on. The file must have that many.
    func read(
        _ node: NodeID, into target: UnsafeMutableRawBufferPointer, at offset: UInt64, isChecked: Bool = false
    ) throws(ImageError) {
        try OpenContent(node, of: self, isChecked: isChecked).read(into: target, at: offset)
    }
}
