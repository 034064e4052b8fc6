/// The root filesystem while things are laid over it.
///
/// Only directories that something is laid into are opened; everything else stays a node of the tree.
/// ```
///   directory 0: "/"  ──▶ "nix"  node, generated
///                      "etc"  directory 2 ──▶ "ssh"  node, added
///                      "boot" directory 1 ──▶ …                    a directory's number is above that of the one it is in
/// ```
struct RootOverlay {
    /// A place that nothing may be laid over: what is there, and what to do instead.
    struct Kept {
        var path: [[UInt8]]
        var what: String
        var remedy: Advice

        init(_ path: String, _ what: String, remedy: Advice) {
            self.path = path.utf8.split(separator: UInt8(ascii: "/")).map(Array.init)
            self.what = what
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

    /// A directory that is being laid over another.
    private struct Task {
        var upper: FileTree.NodeID
        var lower: Int
        var path: [[UInt8]]
    }

    /// A directory that others may not look into, whose content was laid into a generated one that they may.
    struct Disclosed {
        var node: FileTree.NodeID
        var path: [[UInt8]]
        var origin: String

        /// What that means, for people.
        var warning: String {
            let place = RootOverlay.shown(path)
            return (path.isEmpty ? origin : "'\(place)' of \(origin)")
                + " is closed to others, and '\(place)' in the image is not: the files in it will be readable by everybody "
                + "on the card as their modes say ('chmod 755' the folder when that is meant)"
        }
    }

    private var directories: [Directory] = []
    private let kept: [Kept]
    /// Directories whose modes are not kept, although they hid something. Of each source, the topmost ones.
    private(set) var disclosed: [Disclosed] = []

    /// Begins with what a tree holds, which is what was generated.
    init(over tree: FileTree, keeping kept: [Kept]) {
        self.kept = kept
        directories = [Self.opened(tree.root, of: tree, isGenerated: true)]
    }

    private static func opened(_ node: FileTree.NodeID, of tree: FileTree, isGenerated: Bool) -> Directory {
        var items: [[UInt8]: Item] = [:]
        for (name, node) in tree.children(of: node) { items[Array(name)] = .node(node, isGenerated: isGenerated) }
        return Directory(attributes: tree.attributes(of: node), isGenerated: isGenerated, items: items)
    }

    // MARK: Laying

    /// Lays what a directory holds over `/`, which stays what it is itself.
    mutating func lay(_ directory: FileTree.NodeID, of tree: FileTree, origin: String) throws(ImageError) {
        noteIfClosed(directory, [], tree, origin)
        // Later directories may take the place of earlier ones' files: only what is generated is sure to be needed.
        try run([Task(upper: directory, lower: 0, path: [])], tree, origin, keepsKinds: false)
    }

    /// Puts a file, link or directory at a place. Directories that are missing on the way are made; one that is there is merged.
    mutating func put(
        _ node: FileTree.NodeID, of tree: FileTree, at path: [[UInt8]], origin: String
    ) throws(ImageError) {
        guard let name = path.last else {
            noteIfClosed(node, [], tree, origin)
            return try run([Task(upper: node, lower: 0, path: [])], tree, origin, keepsKinds: true)
        }
        var directory = 0
        for depth in path.indices.dropLast() {
            let place = Array(path[...depth])
            try check(place, mayBeAbove: true, origin)
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
                    throw ImageError(
                        .invalidInput, "cannot put '\(Self.shown(path))' into the image (\(origin))",
                        reason: "'\(Self.shown(place))' is \(kind) there, not a folder",
                        remedy: "name the folder that is meant")
                }
                directory = open(path[depth], in: directory, tree)
            }
        }
        var tasks: [Task] = []
        try place(node, name, in: directory, path, tree, origin, keepsKinds: true, &tasks)
        try run(tasks, tree, origin, keepsKinds: true)
    }

    private mutating func run(
        _ first: [Task], _ tree: FileTree, _ origin: String, keepsKinds: Bool
    ) throws(ImageError) {
        var tasks = first
        while let task = tasks.popLast() {
            for (name, node) in tree.children(of: task.upper) {
                let name = Array(name)
                try place(node, name, in: task.lower, task.path + [name], tree, origin, keepsKinds: keepsKinds, &tasks)
            }
        }
    }

    /// Gives a name in a directory to a node. Where both are directories, what is in the upper one is left to `tasks`.
    private mutating func place(
        _ node: FileTree.NodeID, _ name: [UInt8], in directory: Int, _ path: [[UInt8]], _ tree: FileTree,
        _ origin: String,
        keepsKinds: Bool, _ tasks: inout [Task]
    ) throws(ImageError) {
        let isDirectory = tree.kind(of: node) == .directory
        try check(path, mayBeAbove: isDirectory, origin)
        guard let item = directories[directory].items[name] else {
            directories[directory].items[name] = .node(node, isGenerated: false)
            return
        }
        let (wasDirectory, wasGenerated) = describe(item, tree)
        if wasDirectory, isDirectory {
            let below = open(name, in: directory, tree)
            // What is generated stays as open as it was made: behind a /nix of mode 0700, nobody but root runs anything.
            if wasGenerated {
                noteIfClosed(node, path, tree, origin)
            } else {
                directories[below].attributes = tree.attributes(of: node)
            }
            tasks.append(Task(upper: node, lower: below, path: path))
        } else if wasDirectory != isDirectory, wasGenerated || keepsKinds {
            throw ImageError(
                .invalidInput, "cannot put '\(Self.shown(path))' into the image (\(origin))",
                reason: wasDirectory
                    ? "it is no folder, and there is a folder in the image"
                    : "it is a folder, and in the image it is none",
                remedy: keepsKinds ? "end DEST with '/' to copy into a folder, or name another place" : "rename it")
        } else {
            directories[directory].items[name] = .node(node, isGenerated: false)
        }
    }

    /// Remembers a directory that keeps others out of what is in it, as the generated one in the image will not.
    private mutating func noteIfClosed(
        _ node: FileTree.NodeID, _ path: [[UInt8]], _ tree: FileTree, _ origin: String
    ) {
        guard SecretFiles.isClosed(node, in: tree),
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

    /// The number of a directory that is there, opened when it is not open.
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

    /// Throws when a path is, or lies below, one that is kept; or lies above one and is no directory.
    private func check(_ path: [[UInt8]], mayBeAbove: Bool, _ origin: String) throws(ImageError) {
        for place in kept where path.starts(with: place.path) || (!mayBeAbove && place.path.starts(with: path)) {
            throw ImageError(
                .invalidInput, "cannot put '\(Self.shown(path))' into the image (\(origin))",
                reason: "\(place.what) is at '\(Self.shown(place.path))'", remedy: place.remedy)
        }
    }

    fileprivate static func shown(_ path: [[UInt8]]) -> String {
        "/" + path.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "/")
    }

    // MARK: The outcome

    /// What is in the image because it was added.
    struct Added {
        /// The path in the image, for people.
        var path: String
        /// A node with all that is below it; of a directory that others were laid into, only what it is itself (`nil`).
        var node: FileTree.NodeID?
        var attributes: FileAttributes
    }

    /// All that was added and was not replaced later, without what was generated.
    func added(to tree: FileTree) -> [Added] {
        var found: [Added] = []
        var stack = [(directory: 0, path: [[UInt8]]())]
        while let (index, path) = stack.popLast() {
            let directory = directories[index]
            if !directory.isGenerated {
                found.append(Added(path: Self.shown(path), node: nil, attributes: directory.attributes))
            }
            for (name, item) in directory.items.sorted(by: { $1.key.lexicographicallyPrecedes($0.key) }) {
                switch item {
                case .directory(let below): stack.append((below, path + [name]))
                case .node(let node, isGenerated: false):
                    found.append(
                        Added(path: Self.shown(path + [name]), node: node, attributes: tree.attributes(of: node)))
                case .node: break
                }
            }
        }
        return found
    }

    /// Adds the directories that changed to the tree.
    /// - Returns: the top directory's node.
    func build(into tree: inout FileTree) throws(ImageError) -> FileTree.NodeID {
        var isReachable = [Bool](repeating: false, count: directories.count)
        var stack = [0]
        while let index = stack.popLast() {
            isReachable[index] = true
            for case .directory(let below) in directories[index].items.values { stack.append(below) }
        }
        var built: [Int: FileTree.NodeID] = [:]
        // What is in a directory was opened after it.
        for index in directories.indices.reversed() where isReachable[index] {
            let children = directories[index].items.compactMap { name, item in
                switch item {
                case .node(let node, _): (name: name, node: node)
                case .directory(let below): built[below].map { (name: name, node: $0) }
                }
            }
            built[index] = try tree.addDirectory(children, directories[index].attributes)
        }
        return built[0] ?? tree.root
    }
}
