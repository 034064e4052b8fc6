extension FileTree {
    /// A file's content, open for many reads.
    struct OpenContent: ~Copyable {
        private let host: HostFile?
        private let content: Content

        /// - Parameters:
        ///   - isRandom: whether reads will not follow one another.
        ///   - isChecked: whether a host's file must still be what was planned, which otherwise can be asked after reading.
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

        /// Fills a buffer with bytes of the content, which has as many from `offset` on.
        func read(into target: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
            switch content {
            case .bytes(let memory): target.copyBytes(from: memory.dropFirst(Int(offset)).prefix(target.count))
            case .host: try host?.read(into: target, at: offset)
            case .source(let source, let start): try source.read(into: target, at: start + offset)
            }
        }

        /// Asks the kernel to have a range in memory soon.
        func prefetch(_ length: UInt64, at offset: UInt64) { host?.prefetch(length, at: offset) }

        /// Throws when a host's file is no longer what was planned.
        func checkUnchanged() throws(ImageError) { try host?.checkUnchanged() }
    }

    /// A regular file's bytes from its beginning, `limit` of them at most; nothing of anything else.
    func read(_ node: NodeID, atMost limit: Int) throws(ImageError) -> [UInt8] {
        guard kind(of: node) == .file else { return [] }
        var bytes = [UInt8](repeating: 0, count: Int(min(size(of: node), UInt64(max(0, limit)))))
        try read(node, count: bytes.count, at: 0, into: &bytes, isChecked: true)
        return bytes
    }

    /// Reads `count` bytes of a file's content into the beginning of a buffer that is large enough.
    ///
    /// - Parameter isChecked: whether a host's file must still be the one that was planned. That is asked again when its
    ///   bytes go into the image.
    func read(
        _ node: NodeID, count: Int, at offset: UInt64, into buffer: inout [UInt8], isChecked: Bool = false
    ) throws(ImageError) {
        guard count > 0 else { return }
        var failure: ImageError?
        buffer.withUnsafeMutableBytes { bytes in
            let target = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
            do throws(ImageError) {
                try read(node, into: target, at: offset, isChecked: isChecked)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// Fills a buffer with bytes of a file's content, which has as many from `offset` on.
    func read(
        _ node: NodeID, into target: UnsafeMutableRawBufferPointer, at offset: UInt64, isChecked: Bool = false
    ) throws(ImageError) {
        try OpenContent(node, of: self, isChecked: isChecked).read(into: target, at: offset)
    }
}
