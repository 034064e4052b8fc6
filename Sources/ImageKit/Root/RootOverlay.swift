/// The root filesystem while files are added to it.
///
/// Only directories that get additions are opened; everything else stays a node of the tree.
/// ```
///   directory 0: "/"  ──▶ "nix"  node, generated
///                      "etc"  directory 2 ──▶ "ssh"  node, added
///                      "boot" directory 1 ──▶ …                    a directory's index is above its parent's
/// ```
struct RootOverlay {
    /// A path that nothing may replace.
    struct Kept {
        var path: [[UInt8]]
        /// What the path is, for messages.
        var name: String
        /// What to do instead of replacing it.
        var remedy: Advice

        init(_ path: String, _ name: String, remedy: Advice) {
            self.path = path.utf8.split(separator: UInt8(ascii: "/")).map(Array.init)
            self.name = name
            self.remedy = remedy
        }
    }

    private enum Item {
        case node(FileTree.NodeID, isGenerated: Bool)
        case directory(Int)
    }

    private struct Directory {
        var attributes: FileAttributes
        var isGenerated: Bool
        var items: [[UInt8]: Item]
    }

    /// A directory whose content is still to be merged into another directory.
    private struct Merge {
        var source: FileTree.NodeID
        /// The index of the directory that it is merged into.
        var target: Int
        var path: [[UInt8]]
    }

    /// A directory that others may not look into, whose content was merged into a generated directory that is open.
    struct Disclosed {
        var node: FileTree.NodeID
        var path: [[UInt8]]
        var origin: Advice

        /// The consequence, as a sentence for a person.
        var warning: Advice {
            let path = RootOverlay.shown(path)
            let directory: Advice = self.path.isEmpty ? origin : "'\(path)' of \(origin)"
            return directory
                + " is closed to others, and '\(path)' in the image is not: the files in it will be readable by "
                + "everybody on the card as their modes say ('chmod 755' the folder when that is meant)"
        }
    }

    private var directories: [Directory] = []
    private let kept: [Kept]
    /// Directories that hid their content and whose modes are not kept: the topmost ones of each source.
    private(set) var disclosed: [Disclosed] = []

    /// Begins with a tree, all of which counts as generated.
    init(over tree: FileTree, keeping kept: [Kept]) {
        self.kept = kept
        directories = [Self.opened(tree.root, of: tree, isGenerated: true)]
    }

    private static func opened(_ node: FileTree.NodeID, of tree: FileTree, isGenerated: Bool) -> Directory {
        var items: [[UInt8]: Item] = [:]
        for (name, node) in tree.children(of: node) { items[Array(name)] = .node(node, isGenerated: isGenerated) }
        return Directory(attributes: tree.attributes(of: node), isGenerated: isGenerated, items: items)
    }

    // MARK: Adding

    /// Merges the content of a directory into `/`, which keeps its own attributes.
    ///
    /// - Parameter origin: where the directory came from, for messages.
    /// - Throws: when something would replace a kept path, or a generated file a directory or the reverse.
    mutating func merge(_ directory: FileTree.NodeID, of tree: FileTree, origin: Advice) throws(ImageError) {
        noteIfClosed(directory, [], tree, origin)
        // A later directory may replace an earlier one's files, whatever their kind: only generated ones are needed.
        try run([Merge(source: directory, target: 0, path: [])], tree, origin, keepsKinds: false)
    }

    /// Puts a file, link or directory at a path. Missing directories on the way are made; a directory that exists is
    /// merged.
    ///
    /// - Parameter origin: where the node came from, for messages.
    /// - Throws: when it would replace a kept path, or a file a directory or the reverse; and when something on the way
    ///   is not a directory.
    mutating func put(
        _ node: FileTree.NodeID, of tree: FileTree, at path: [[UInt8]], origin: Advice
    ) throws(ImageError) {
        guard let name = path.last else {
            noteIfClosed(node, [], tree, origin)
            return try run([Merge(source: node, target: 0, path: [])], tree, origin, keepsKinds: true)
        }
        let directory = try openDirectories(onWayTo: path, tree, origin)
        var merges: [Merge] = []
        try assign(node, name, in: directory, path, tree, origin, keepsKinds: true, &merges)
        try run(merges, tree, origin, keepsKinds: true)
    }

    /// Opens the directories that lead to a path, and makes those that are missing.
    /// - Returns: the index of the last one.
    private mutating func openDirectories(
        onWayTo path: [[UInt8]], _ tree: FileTree, _ origin: Advice
    ) throws(ImageError) -> Int {
        var directory = 0
        for depth in path.indices.dropLast() {
            let parent = Array(path[...depth])
            try check(parent, mayBeAbove: true, origin)
            switch directories[directory].items[path[depth]] {
            case nil:
                directories.append(
                    Directory(attributes: FileAttributes(permissions: 0o755), isGenerated: false, items: [:]))
                directories[directory].items[path[depth]] = .directory(directories.count - 1)
                directory = directories.count - 1
            case .directory(let open): directory = open
            case .node(let node, _):
                guard tree.kind(of: node) == .directory else {
                    let kind = tree.kind(of: node) == .symlink ? "a symbolic link" : "a file"
                    throw refusal(
                        of: path, origin, reason: "'\(Self.shown(parent))' is \(kind) there, not a folder",
                        remedy: "name the folder that is meant")
                }
                directory = open(path[depth], in: directory, tree)
            }
        }
        return directory
    }

    /// Merges directories, and the directories in them. The walk is not recursive.
    private mutating func run(
        _ first: [Merge], _ tree: FileTree, _ origin: Advice, keepsKinds: Bool
    ) throws(ImageError) {
        var merges = first
        while let merge = merges.popLast() {
            for (name, node) in tree.children(of: merge.source) {
                let name = Array(name)
                try assign(
                    node, name, in: merge.target, merge.path + [name], tree, origin, keepsKinds: keepsKinds, &merges)
            }
        }
    }

    /// Gives a name in a directory to a node. Where both are directories, their content is left to `merges`.
    private mutating func assign(
        _ node: FileTree.NodeID, _ name: [UInt8], in directory: Int, _ path: [[UInt8]], _ tree: FileTree,
        _ origin: Advice, keepsKinds: Bool, _ merges: inout [Merge]
    ) throws(ImageError) {
        let isDirectory = tree.kind(of: node) == .directory
        try check(path, mayBeAbove: isDirectory, origin)
        guard let item = directories[directory].items[name] else {
            directories[directory].items[name] = .node(node, isGenerated: false)
            return
        }
        let (wasDirectory, wasGenerated) = describe(item, tree)
        if wasDirectory, isDirectory {
            let target = open(name, in: directory, tree)
            // A generated directory keeps its mode: behind a /nix of mode 0700, only root could run anything.
            if wasGenerated {
                noteIfClosed(node, path, tree, origin)
            } else {
                directories[target].attributes = tree.attributes(of: node)
            }
            merges.append(Merge(source: node, target: target, path: path))
        } else if wasDirectory != isDirectory, wasGenerated || keepsKinds {
            throw refusal(
                of: path, origin,
                reason: wasDirectory
                    ? "it is no folder, and there is a folder in the image"
                    : "it is a folder, and in the image it is none",
                remedy: keepsKinds ? "end DEST with '/' to copy into a folder, or name another place" : "rename it")
        } else {
            directories[directory].items[name] = .node(node, isGenerated: false)
        }
    }

    /// Remembers a directory that hides its content from others, which the generated directory in the image will not
    /// do.
    private mutating func noteIfClosed(
        _ node: FileTree.NodeID, _ path: [[UInt8]], _ tree: FileTree, _ origin: Advice
    ) {
        guard tree.isClosed(node),
            !disclosed.contains(where: { $0.origin == origin && path.starts(with: $0.path) })
        else { return }
        disclosed.append(Disclosed(node: node, path: path, origin: origin))
    }

    private func describe(_ item: Item, _ tree: FileTree) -> (isDirectory: Bool, isGenerated: Bool) {
        switch item {
        case .directory(let index): (true, directories[index].isGenerated)
        case .node(let node, let isGenerated): (tree.kind(of: node) == .directory, isGenerated)
        }
    }

    /// The index of a directory that exists; opens it if it is not open yet.
    private mutating func open(_ name: [UInt8], in directory: Int, _ tree: FileTree) -> Int {
        switch directories[directory].items[name] {
        case .directory(let index): return index
        case .node(let node, let isGenerated):
            directories.append(Self.opened(node, of: tree, isGenerated: isGenerated))
            directories[directory].items[name] = .directory(directories.count - 1)
            return directories.count - 1
        case nil: return directory
        }
    }

    /// Throws when a path is a kept one or is below one; or is above one and is no directory.
    private func check(_ path: [[UInt8]], mayBeAbove: Bool, _ origin: Advice) throws(ImageError) {
        for kept in kept where path.starts(with: kept.path) || (!mayBeAbove && kept.path.starts(with: path)) {
            throw refusal(
                of: path, origin, reason: "\(kept.name) is at '\(Self.shown(kept.path))'", remedy: kept.remedy)
        }
    }

    private func refusal(of path: [[UInt8]], _ origin: Advice, reason: String, remedy: Advice) -> ImageError {
        var error = ImageError(
            .invalidInput, "cannot put '\(Self.shown(path))' into the image", reason: reason, remedy: remedy)
        error.origin = origin
        return error
    }

    fileprivate static func shown(_ path: [[UInt8]]) -> String {
        "/" + path.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
    }

    // MARK: The outcome

    /// A path in the image that was added.
    struct Addition {
        /// The path in the image, for people.
        var path: String
        /// The node, with everything below it; `nil` for a directory that others were merged into: then only the
        /// directory itself is meant.
        var node: FileTree.NodeID?
        var attributes: FileAttributes
    }

    /// Everything that was added and not replaced later, without the generated files.
    func additions(to tree: FileTree) -> [Addition] {
        var found: [Addition] = []
        var stack = [(directory: 0, path: [[UInt8]]())]
        while let (index, path) = stack.popLast() {
            let directory = directories[index]
            if !directory.isGenerated {
                found.append(Addition(path: Self.shown(path), node: nil, attributes: directory.attributes))
            }
            for (name, item) in directory.items.sorted(by: { $1.key.lexicographicallyPrecedes($0.key) }) {
                switch item {
                case .directory(let child): stack.append((child, path + [name]))
                case .node(let node, isGenerated: false):
                    found.append(
                        Addition(path: Self.shown(path + [name]), node: node, attributes: tree.attributes(of: node)))
                case .node: break
                }
            }
        }
        return found
    }

    /// Adds the changed directories to the tree.
    /// - Returns: the top directory's node.
    func build(into tree: inout FileTree) throws(ImageError) -> FileTree.NodeID {
        var isReachable = [Bool](repeating: false, count: directories.count)
        var stack = [0]
        while let index = stack.popLast() {
            isReachable[index] = true
            for case .directory(let child) in directories[index].items.values { stack.append(child) }
        }
        var built: [Int: FileTree.NodeID] = [:]
        // A directory is opened before the directories in it.
        for index in directories.indices.reversed() where isReachable[index] {
            let children = directories[index].items.compactMap { name, item in
                switch item {
                case .node(let node, _): (name: name, node: node)
                case .directory(let child): built[child].map { (name: name, node: $0) }
                }
            }
            built[index] = try tree.addDirectory(children, directories[index].attributes)
        }
        return built[0] ?? tree.root
    }
}
