/// What following a boot chain may cost, on all filesystems of an image together.
///
/// Menus and settings are texts of up to a MiB, so those of a hostile image can name the same file, or ways through a maze
/// of links, some hundred thousand times. What boots comes nowhere near these bounds.
final class BootEffort {
    private var names: Int, files: Int, bytes: UInt64
    /// Whether it was more than that; then nothing is known any more.
    private(set) var isExhausted = false

    /// - Parameters:
    ///   - names: how many names are looked at, in directories and on the ways to files.
    ///   - files: how many files are read. (In a compressed image, each may be in a frame of its own.)
    ///   - bytes: how much of them is read.
    init(names: Int = 1 << 17, files: Int = 2048, bytes: UInt64 = 64 << 20) {
        self.names = names
        self.files = files
        self.bytes = bytes
    }

    /// Counts names that are going to be looked at.
    /// - Returns: whether that is still allowed.
    func take(names count: Int) -> Bool {
        guard !isExhausted, count <= names else {
            isExhausted = true
            return false
        }
        names -= count
        return true
    }

    /// Counts a file, of which so much is going to be read.
    /// - Returns: whether that is still allowed.
    func take(fileOf count: UInt64) -> Bool {
        guard !isExhausted, files > 0, count <= bytes else {
            isExhausted = true
            return false
        }
        files -= 1
        bytes -= count
        return true
    }
}

/// Finds files of one filesystem as those do who boot from it: on FAT whatever the case is, elsewhere with links followed.
final class BootFiles {
    private let tree: FileTree
    private let ignoresCase: Bool
    private let effort: BootEffort
    /// Directories of FAT in which something was looked for: what they hold, by its name in lower case.
    private var directories: [FileTree.NodeID: [String: FileTree.NodeID]] = [:]
    /// Files that have been examined.
    private var examined: Set<FileTree.NodeID> = []
    /// Whether there is a device tree in or below a directory, where that was asked.
    private var deviceTrees: [FileTree.NodeID: Bool] = [:]

    /// Linux takes no longer path, and nobody else does.
    private static let longestPath = 4096

    init(_ tree: FileTree, ignoringCase: Bool, effort: BootEffort) {
        self.tree = tree
        ignoresCase = ignoringCase
        self.effort = effort
    }

    /// What is at a path; `nil` where nothing is, or nobody would look any more.
    func node(at path: String) -> FileTree.NodeID? {
        guard path.utf8.count <= Self.longestPath else { return nil }
        guard ignoresCase else { return tree.node(followingLinksAt: path) { effort.take(names: 1) } }
        var node = tree.root
        for part in path.split(separator: "/") {
            guard effort.take(names: 1), let next = names(in: node)[part.lowercased()] else { return nil }
            node = next
        }
        return node
    }

    private func names(in directory: FileTree.NodeID) -> [String: FileTree.NodeID] {
        if let known = directories[directory] { return known }
        var names: [String: FileTree.NodeID] = [:]
        for (name, node) in tree.children(of: directory) {
            let name = String(decoding: name, as: UTF8.self).lowercased()
            if names[name] == nil { names[name] = node }
        }
        directories[directory] = names
        return names
    }

    /// Whether a file has not been examined yet. From then on it has.
    func isNew(_ node: FileTree.NodeID) -> Bool { examined.insert(node).inserted }

    /// Whether there is a device tree in a directory or below it.
    func hasDeviceTree(in directory: FileTree.NodeID) -> Bool {
        var pending = [directory], met: [FileTree.NodeID] = []
        var isFound = false
        search: while let next = pending.popLast() {
            if let known = deviceTrees[next] {
                guard known else { continue }
                isFound = true
                break
            }
            met.append(next)
            let children = tree.children(of: next)
            guard effort.take(names: children.count + 1) else { return false }
            for (name, node) in children {
                if tree.kind(of: node) == .directory {
                    pending.append(node)
                } else if name.suffix(4).elementsEqual(".dtb".utf8) {
                    isFound = true
                    break search
                }
            }
        }
        // Where one is found, it may be in any of the directories that were met, or in none of them.
        for directory in met where !isFound { deviceTrees[directory] = false }
        deviceTrees[directory] = isFound
        return isFound
    }
}
