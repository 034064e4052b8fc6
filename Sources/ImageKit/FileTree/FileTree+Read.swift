extension FileTree {
    /// A regular file's bytes from its beginning, `limit` of them at most; nothing of anything else.
    func read(_ node: NodeID, atMost limit: Int) throws(ImageError) -> [UInt8] {
        guard kind(of: node) == .file else { return [] }
        let count = Int(min(size(of: node), UInt64(max(0, limit))))
        switch content(of: node) {
        case .bytes(let bytes): return Array(bytes.prefix(count))
        case .source(let source, let offset): return try source.read(count, at: offset)
        case .host(let id):
            let file = try HostFile(id, of: hostFiles)
            var bytes = [UInt8](repeating: 0, count: count)
            var failure: ImageError?
            bytes.withUnsafeMutableBytes { buffer in
                do throws(ImageError) { try file.read(into: buffer, at: 0) } catch { failure = error }
            }
            if let failure { throw failure }
            return bytes
        }
    }
}
