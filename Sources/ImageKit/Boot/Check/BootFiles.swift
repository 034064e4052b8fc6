/// The effort that a check may spend on a boot chain, on all filesystems of an image together.
///
/// Menus and settings are texts of up to a MiB. Those of a hostile image can name the same file, or paths through a
/// maze of links, several hundred thousand times. An image that boots needs only a small part of the budget.
final class BootEffort {
    private var names: Int, files: Int, bytes: UInt64
    /// Whether the budget is spent. From then on, files that are not found may still exist.
    private(set) var isExhausted = false

    /// - Parameters:
    ///   - names: the number of names to look at, in directories and in paths.
    ///   - files: the number of files to read. (In a compressed image, each may be in a frame of its own.)
    ///   - bytes: the number of bytes to read.
    init(names: Int = 1 << 17, files: Int = 2048, bytes: UInt64 = 64 << 20) {
        self.names = names
        self.files = files
        self.bytes = bytes
    }

    /// Spends names, before they are looked at.
    /// - Returns: whether the budget allows it.
    func spend(names count: Int) -> Bool {
        guard !isExhausted, count <= names else {
            isExhausted = true
            return false
        }
        names -= count
        return true
    }

    /// Spends a file and the `count` bytes that will be read from it.
    /// - Returns: whether the budget allows it.
    func spend(fileOf count: UInt64) -> Bool {
        guard !isExhausted, files > 0, count <= bytes else {
            isExhausted = true
            return false
        }
        files -= 1
        bytes -= count
        return true
    }
}

/// Finds files of a filesystem as firmware and U-Boot do: on FAT without regard to case, elsewhere through symbolic
/// links.
final class BootFiles {
    private let tree: FileTree
    private let ignoresCase: Bool
    private let effort: BootEffort
    /// The nodes in directories of FAT, by their names in lower case. Filled on demand.
    private var directories: [FileTree.NodeID: [String: FileTree.NodeID]] = [:]
    /// Files whose content was checked.
    private var checked: Set<FileTree.NodeID> = []
    /// Whether directories have a device tree in or below them. Filled on demand.
    private var deviceTrees: [FileTree.NodeID: Bool] = [:]

    /// The longest path that Linux accepts (`PATH_MAX`), in bytes.
    private static let maximumPathLength = 4096

    init(_ tree: FileTree, ignoringCase: Bool, effort: BootEffort) {
        self.tree = tree
        ignoresCase = ignoringCase
        self.effort = effort
    }

    /// The node at a path; `nil` if it does not exist, if the path is too long, or if the budget is spent.
    func node(at path: String) -> FileTree.NodeID? {
        guard path.utf8.count <= Self.maximumPathLength else { return nil }
        guard ignoresCase else { return tree.node(followingLinksAt: path) { effort.spend(names: 1) } }
        var node = tree.root
        for name in path.split(separator: "/") {
            guard effort.spend(names: 1), let next = names(in: node)[name.lowercased()] else { return nil }
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

    /// Marks a file as checked.
    /// - Returns: whether it was not checked before.
    func markChecked(_ node: FileTree.NodeID) -> Bool { checked.insert(node).inserted }

    /// Whether there is a device tree (`*.dtb`) in a directory or below it; `false` if the budget is spent. The search
    /// uses a list instead of recursion, so a deep tree cannot exhaust the stack.
    func hasDeviceTree(in directory: FileTree.NodeID) -> Bool {
        var pending = [directory], visited: [FileTree.NodeID] = []
        var isFound = false
        search: while let next = pending.popLast() {
            if let known = deviceTrees[next] {
                guard known else { continue }
                isFound = true
                break
            }
            visited.append(next)
            let children = tree.children(of: next)
            guard effort.spend(names: children.count + 1) else { return false }
            for (name, node) in children {
                if tree.kind(of: node) == .directory {
                    pending.append(node)
                } else if name.suffix(4).elementsEqual(".dtb".utf8) {
                    isFound = true
                    break search
                }
            }
        }
        // A device tree that was found may be in any visited directory, so only the first directory is known to have
        // it.
        for directory in visited where !isFound { deviceTrees[directory] = false }
        deviceTrees[directory] = isFound
        return isFound
    }
}
