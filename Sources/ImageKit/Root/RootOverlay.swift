/// The root filesystem while things are laid over it.
///
/// Only folders that something is laid into are opened; everything else stays a node of the tree.
/// ```
///   folder 0: "/"  ──▶ "nix"  node, generated
///                      "etc"  folder 2 ──▶ "ssh"  node, added
///                      "boot" folder 1 ──▶ …                    a folder's number is above that of the one it is in
/// ```
struct RootOverlay {
    /// A place that nothing may be laid over: what is there, and what to do instead.
    struct Kept {
        var path: [[UInt8]]
        var what: String
        var remedy: String

        init(_ path: String, _ what: String, remedy: String) {
            self.path = path.utf8.split(separator: UInt8(ascii: "/")).map(Array.init)
            self.what = what
            self.remedy = remedy
        }
    }

    private enum Item {
        case node(FileTree.NodeID, isGenerated: Bool)
        case folder(Int)
    }

    private struct Folder {
        var attributes: FileTree.Attributes
        var isGenerated: Bool
        var items: [[UInt8]: Item]
    }

    /// A folder that is being laid over another.
    private struct Task {
        var upper: FileTree.NodeID
        var lower: Int
        var path: [[UInt8]]
    }

    /// A folder that others may not look into, whose content was laid into a generated one that they may.
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

    private var folders: [Folder] = []
    private let kept: [Kept]
    /// Folders whose modes are not kept, although they hid something. Of each source, the topmost ones.
    private(set) var disclosed: [Disclosed] = []

    /// Begins with what a tree holds, which is what was generated.
    init(over tree: FileTree, keeping kept: [Kept]) {
        self.kept = kept
        folders = [Self.opened(tree.root, of: tree, isGenerated: true)]
    }

    private static func opened(_ node: FileTree.NodeID, of tree: FileTree, isGenerated: Bool) -> Folder {
        var items: [[UInt8]: Item] = [:]
        for (name, node) in tree.children(of: node) { items[Array(name)] = .node(node, isGenerated: isGenerated) }
        return Folder(attributes: tree.attributes(of: node), isGenerated: isGenerated, items: items)
    }

    // MARK: Laying

    /// Lays what a folder holds over `/`, which stays what it is itself.
    mutating func lay(_ folder: FileTree.NodeID, of tree: FileTree, origin: String) throws(ImageError) {
        noteIfClosed(folder, [], tree, origin)
        // Later folders may take the place of earlier ones' files: only what is generated is sure to be needed.
        try run([Task(upper: folder, lower: 0, path: [])], tree, origin, keepsKinds: false)
    }

    /// Puts a file, link or folder at a place. Folders that are missing on the way are made; one that is there is merged.
    mutating func put(
        _ node: FileTree.NodeID, of tree: FileTree, at path: [[UInt8]], origin: String
    ) throws(ImageError) {
        guard let name = path.last else {
            noteIfClosed(node, [], tree, origin)
            return try run([Task(upper: node, lower: 0, path: [])], tree, origin, keepsKinds: true)
        }
        var folder = 0
        for depth in path.indices.dropLast() {
            let place = Array(path[...depth])
            try check(place, mayBeAbove: true, origin)
            switch folders[folder].items[path[depth]] {
            case nil:
                folders.append(
                    Folder(attributes: FileTree.Attributes(permissions: 0o755), isGenerated: false, items: [:]))
                folders[folder].items[path[depth]] = .folder(folders.count - 1)
                folder = folders.count - 1
            case .folder(let open): folder = open
            case .node(let node, _):
                guard tree.kind(of: node) == .directory else {
                    let kind = tree.kind(of: node) == .symlink ? "a symbolic link" : "a file"
                    throw ImageError(
                        .invalidInput, "cannot put '\(Self.shown(path))' into the image (\(origin))",
                        reason: "'\(Self.shown(place))' is \(kind) there, not a folder",
                        remedy: "name the folder that is meant")
                }
                folder = open(path[depth], in: folder, tree)
            }
        }
        var tasks: [Task] = []
        try place(node, name, in: folder, path, tree, origin, keepsKinds: true, &tasks)
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

    /// Gives a name in a folder to a node. Where both are folders, what is in the upper one is left to `tasks`.
    private mutating func place(
        _ node: FileTree.NodeID, _ name: [UInt8], in folder: Int, _ path: [[UInt8]], _ tree: FileTree, _ origin: String,
        keepsKinds: Bool, _ tasks: inout [Task]
    ) throws(ImageError) {
        let isFolder = tree.kind(of: node) == .directory
        try check(path, mayBeAbove: isFolder, origin)
        guard let item = folders[folder].items[name] else {
            folders[folder].items[name] = .node(node, isGenerated: false)
            return
        }
        let (wasFolder, wasGenerated) = describe(item, tree)
        if wasFolder, isFolder {
            let below = open(name, in: folder, tree)
            // What is generated stays as open as it was made: behind a /nix of mode 0700, nobody but root runs anything.
            if wasGenerated {
                noteIfClosed(node, path, tree, origin)
            } else {
                folders[below].attributes = tree.attributes(of: node)
            }
            tasks.append(Task(upper: node, lower: below, path: path))
        } else if wasFolder != isFolder, wasGenerated || keepsKinds {
            throw ImageError(
                .invalidInput, "cannot put '\(Self.shown(path))' into the image (\(origin))",
                reason: wasFolder
                    ? "it is no folder, and there is a folder in the image"
                    : "it is a folder, and in the image it is none",
                remedy: keepsKinds ? "end DEST with '/' to copy into a folder, or name another place" : "rename it")
        } else {
            folders[folder].items[name] = .node(node, isGenerated: false)
        }
    }

    /// Remembers a folder that keeps others out of what is in it, as the generated one in the image will not.
    private mutating func noteIfClosed(
        _ node: FileTree.NodeID, _ path: [[UInt8]], _ tree: FileTree, _ origin: String
    ) {
        guard SecretFiles.isClosed(node, in: tree),
            !disclosed.contains(where: { $0.origin == origin && path.starts(with: $0.path) })
        else { return }
        disclosed.append(Disclosed(node: node, path: path, origin: origin))
    }

    private func describe(_ item: Item, _ tree: FileTree) -> (isFolder: Bool, isGenerated: Bool) {
        switch item {
        case .folder(let index): (true, folders[index].isGenerated)
        case .node(let node, let isGenerated): (tree.kind(of: node) == .directory, isGenerated)
        }
    }

    /// The number of a folder that is there, opened when it is not open.
    private mutating func open(_ name: [UInt8], in folder: Int, _ tree: FileTree) -> Int {
        switch folders[folder].items[name] {
        case .folder(let index): return index
        case .node(let node, let isGenerated):
            folders.append(Self.opened(node, of: tree, isGenerated: isGenerated))
            folders[folder].items[name] = .folder(folders.count - 1)
            return folders.count - 1
        case nil: return folder
        }
    }

    /// Throws when a path is, or lies below, one that is kept; or lies above one and is no folder.
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
        /// A node with all that is below it; of a folder that others were laid into, only what it is itself (`nil`).
        var node: FileTree.NodeID?
        var attributes: FileTree.Attributes
    }

    /// All that was added and was not replaced later, without what was generated.
    func added(to tree: FileTree) -> [Added] {
        var found: [Added] = []
        var stack = [(folder: 0, path: [[UInt8]]())]
        while let (index, path) = stack.popLast() {
            let folder = folders[index]
            if !folder.isGenerated {
                found.append(Added(path: Self.shown(path), node: nil, attributes: folder.attributes))
            }
            for (name, item) in folder.items.sorted(by: { $1.key.lexicographicallyPrecedes($0.key) }) {
                switch item {
                case .folder(let below): stack.append((below, path + [name]))
                case .node(let node, isGenerated: false):
                    found.append(
                        Added(path: Self.shown(path + [name]), node: node, attributes: tree.attributes(of: node)))
                case .node: break
                }
            }
        }
        return found
    }

    /// Adds the folders that changed to the tree.
    /// - Returns: the top folder's node.
    func build(into tree: inout FileTree) throws(ImageError) -> FileTree.NodeID {
        var isReachable = [Bool](repeating: false, count: folders.count)
        var stack = [0]
        while let index = stack.popLast() {
            isReachable[index] = true
            for case .folder(let below) in folders[index].items.values { stack.append(below) }
        }
        var built: [Int: FileTree.NodeID] = [:]
        // What is in a folder was opened after it.
        for index in folders.indices.reversed() where isReachable[index] {
            let children = folders[index].items.compactMap { name, item in
                switch item {
                case .node(let node, _): (name: name, node: node)
                case .folder(let below): built[below].map { (name: name, node: $0) }
                }
            }
            built[index] = try tree.addDirectory(children, folders[index].attributes)
        }
        return built[0] ?? tree.root
    }
}
