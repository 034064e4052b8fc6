extension FATVolume {
    /// Reads all directories of the volume. The bytes of files are not read: a file with one extent is a range of the
    /// source, any other file a source over its extents.
    ///
    /// Each cluster may belong to one file or directory only, so cross-links and circles are found as damage. The time
    /// of the root directory is 0.
    /// - Parameter onDamage: called once per error, with its path. If it returns, reading continues: readable entries
    ///   of a damaged directory are kept, and a file is kept only if all its bytes can be read. The default throws.
    /// - Throws: ``ImageError/Code/doesNotFit`` if there are more than ``maximumEntries`` entries; errors of reading
    ///   the source, and of `onDamage`.
    public func tree(
        onDamage: (ImageError) throws(ImageError) -> Void = { (error) throws(ImageError) in throw error }
    ) throws(ImageError) -> FileTree {
        try tree(maximumEntries: Self.maximumEntries, onDamage: onDamage)
    }

    /// Reads the tree with another limit, for tests.
    func tree(
        maximumEntries: Int, onDamage: (ImageError) throws(ImageError) -> Void
    ) throws(ImageError) -> FileTree {
        var walk = TreeWalk(volume: self, maximumEntries: maximumEntries)
        return try walk.run(onDamage)
    }

    /// A walk through all directories, with its own stack, so that deep directories do not use up that of the thread.
    private struct TreeWalk {
        /// A directory on the way from the root to the current one.
        struct Level {
            var directory: Entry
            /// Its subdirectories that have not been read yet.
            var rest: [Entry] = []
            var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        }

        let volume: FATVolume
        let maximumEntries: Int
        var tree = FileTree()
        var levels: [Level] = []
        var claims: FATClusterSet? = FATClusterSet()
        var entries = 0

        mutating func run(_ onDamage: (ImageError) throws(ImageError) -> Void) throws(ImageError) -> FileTree {
            levels.append(try read(volume.root, onDamage))
            while !levels.isEmpty {
                if let next = levels[levels.count - 1].rest.popLast() {
                    guard levels.count < FATVolume.maximumDepth else {
                        try onDamage(
                            volume.damaged(next, "it lies more than \(FATVolume.maximumDepth) folders deep"))
                        continue
                    }
                    levels.append(try read(next, onDamage))
                    continue
                }
                let done = levels.removeLast()
                let node = try tree.addDirectory(done.children, done.directory.attributes)
                if levels.isEmpty {
                    tree.root = node
                } else {
                    levels[levels.count - 1].children.append((Array(done.directory.name.utf8), node))
                }
            }
            return tree
        }

        /// Reads a directory and adds the files in it.
        private mutating func read(
            _ directory: Entry, _ onDamage: (ImageError) throws(ImageError) -> Void
        ) throws(ImageError) -> Level {
            var level = Level(directory: directory)
            let slots = try volume.slotRanges(of: directory, claims: &claims, onDamage: onDamage)
            var found: [Entry] = []
            let remaining = maximumEntries - entries
            try volume.readEntries(of: directory, in: slots) { (entry) throws(ImageError) in
                guard found.count < remaining else { throw FATVolume.tooMany(maximumEntries) }
                found.append(entry)
                return true
            } onDamage: { (error) throws(ImageError) in
                try onDamage(error)
            }
            entries += found.count
            var names: Set<[UInt8]> = []
            for entry in found {
                let name = Array(entry.name.utf8)
                if !names.insert(name).inserted {
                    try onDamage(volume.damaged(entry, "another entry of its folder has the same name"))
                } else if entry.isDirectory {
                    level.rest.append(entry)
                } else if let node = try add(entry, onDamage) {
                    level.children.append((name, node))
                }
            }
            return level
        }

        /// Adds a file, if all its bytes can be read.
        private mutating func add(
            _ file: Entry, _ onDamage: (ImageError) throws(ImageError) -> Void
        ) throws(ImageError) -> FileTree.NodeID? {
            let chain = try volume.chain(of: file, size: file.size, claims: &claims)
            if let damage = volume.damage(of: file, size: file.size, chain) {
                try onDamage(damage)
                return nil
            }
            if case .broken(_, let reason, let offset) = chain.end {
                try onDamage(volume.damaged(file, reason, at: offset))
            } else if chain.end == .longer || (file.size == 0 && file.firstCluster != 0) {
                try onDamage(
                    volume.damaged(file, "its chain of clusters goes on after its \(file.size) bytes"))
            }
            guard file.size > 0 else { return tree.addFile([], file.attributes) }
            if chain.extents.count == 1, let extent = chain.extents.first {
                return tree.addFile(
                    volume.source, offset: volume.layout.offset(ofCluster: extent.first), size: file.size,
                    file.attributes)
            }
            let source = ExtentSource(volume.source, size: file.size, joining: volume.byteRanges(of: chain))
            return tree.addFile(source, offset: 0, size: file.size, file.attributes)
        }
    }
}
