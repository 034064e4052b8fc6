extension FATVolume {
    /// Everything on the volume. Files' bytes stay where they are: one that lies in one piece is a range of the source,
    /// any other a source of its own over its pieces.
    ///
    /// Each cluster belongs to one file or directory, so what is linked crosswise or in circles is found. Of what is
    /// damaged, `onDamage` hears one error after the other, and unless it throws (as it does by default), the rest is
    /// read on: directories as far as they can be had, files where all of their bytes can be.
    ///
    /// Throws ``ImageError/Code/doesNotFit`` where there are more than ``entryLimit`` entries.
    public func tree(
        onDamage: (ImageError) throws(ImageError) -> Void = { (error) throws(ImageError) in throw error }
    ) throws(ImageError) -> FileTree {
        try tree(entryLimit: Self.entryLimit, onDamage: onDamage)
    }

    /// The same, with a limit to try.
    func tree(
        entryLimit: Int, onDamage: (ImageError) throws(ImageError) -> Void
    ) throws(ImageError) -> FileTree {
        var walk = TreeWalk(volume: self, entryLimit: entryLimit)
        return try walk.run(onDamage)
    }

    /// A walk through all directories, with a stack of its own, so that depth does not cost the thread's.
    private struct TreeWalk {
        /// A directory on the way from the root to where the walk is.
        struct Level {
            var directory: Entry
            /// Directories in it that have not been walked.
            var rest: [Entry] = []
            var children: [(name: [UInt8], node: FileTree.NodeID)] = []
        }

        let volume: FATVolume
        let entryLimit: Int
        var tree = FileTree()
        var levels: [Level] = []
        var claims: FATClusterSet? = FATClusterSet()
        var entries = 0

        mutating func run(_ onDamage: (ImageError) throws(ImageError) -> Void) throws(ImageError) -> FileTree {
            levels.append(try read(volume.root, onDamage))
            while !levels.isEmpty {
                if let next = levels[levels.count - 1].rest.popLast() {
                    guard levels.count < FATVolume.depthLimit else {
                        try onDamage(
                            volume.damaged(next, "it lies more than \(FATVolume.depthLimit) folders deep"))
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
            let places = try volume.places(of: directory, claims: &claims, onDamage: onDamage)
            var found: [Entry] = []
            let limit = entryLimit - entries
            try volume.readEntries(of: directory, in: places) { (entry) throws(ImageError) in
                guard found.count < limit else { throw FATVolume.tooMany(entryLimit) }
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

        /// Adds a file, where all of its bytes can be had.
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
            if chain.runs.count == 1, let run = chain.runs.first {
                return tree.addFile(
                    volume.source, offset: volume.layout.offset(ofCluster: run.first), size: file.size,
                    file.attributes)
            }
            let source = ExtentSource(volume.source, size: file.size, joining: volume.places(of: chain))
            return tree.addFile(source, offset: 0, size: file.size, file.attributes)
        }
    }
}
