/// Checks a Nix store that lies in a filesystem: whether it is what is registered of it, complete, and as Nix leaves one.
///
/// ```
///   registration ──▶ closed?            every reference is registered, nothing goes in a circle
///        │     ▲
///        ▼     │
///   store paths ──▶ metadata            as Nix makes it: modes, owner, time
///        └────────▶ NAR hash and size   of each, in the order in which the data lies on the disk
/// ```
public struct StoreCheck: Sendable {
    /// How much was checked.
    public struct Counts: Sendable, Hashable {
        /// Paths that are registered.
        public var registered: UInt64 = 0
        /// Store paths that are there.
        public var paths: UInt64 = 0
        /// Names below them: files, directories and links.
        public var entries: UInt64 = 0
        /// Paths that were hashed, and bytes of their NARs.
        public var hashed: UInt64 = 0, hashedBytes: UInt64 = 0
    }

    let tree: FileTree
    /// The store's own directory.
    let store: FileTree.NodeID
    let onFinding: @Sendable (Finding) -> Void

    /// Checks the store in a filesystem's tree.
    ///
    /// - Parameters:
    ///   - others: paths of what a tree cannot hold (devices, pipes, sockets), without a leading slash.
    ///   - threads: how many hash store paths.
    ///   - onFinding: hears what is found, with paths from the filesystem's root; never from two threads at once.
    /// - Returns: what was checked; `nil` where there is no store.
    /// - Throws: only errors of the source that are no damage, and ``ImageError/Code/cancelled``.
    public static func run(
        _ tree: FileTree, others: [[UInt8]] = [], threads: Int, progress: Progress? = nil,
        onFinding: @escaping @Sendable (Finding) -> Void
    ) throws(ImageError) -> Counts? {
        guard let store = tree.node(at: StorePath.directory), tree.kind(of: store) == .directory,
            !tree.entryRange(of: store).isEmpty
        else { return nil }
        let check = StoreCheck(tree: tree, store: store, onFinding: onFinding)
        var counts = Counts()
        var present: [StorePath: FileTree.NodeID] = [:]
        for (name, node) in tree.children(of: store) {
            if let path = StorePath(entry: name) {
                present[path] = node
            } else if !name.elementsEqual(".links".utf8) {
                check.onFinding(
                    Finding(
                        .storeName, "no store path is called so",
                        path: "\(StorePath.directory)/\(String(decoding: name, as: UTF8.self))"))
            }
        }
        counts.paths = UInt64(present.count)
        counts.entries = try check.checkMetadata(of: present, progress)
        check.checkOthers(others)
        if let registration = try check.registration() {
            counts.registered = UInt64(registration.entries.count)
            check.checkReferences(of: registration)
            let there = check.checkPresence(of: registration, present)
            let content = StoreContentCheck(there, of: tree)
            let hashed = try content.run(threads: threads, progress: progress, onFinding: onFinding)
            (counts.hashed, counts.hashedBytes) = hashed
        }
        return counts
    }

    /// Compares what is registered with what is there, and gives what is both.
    private func checkPresence(
        of registration: Registration, _ present: [StorePath: FileTree.NodeID]
    ) -> [(info: PathInfo, node: FileTree.NodeID)] {
        var both: [(info: PathInfo, node: FileTree.NodeID)] = []
        for info in registration.entries {
            if let node = present[info.path] {
                both.append((info, node))
            } else {
                onFinding(Finding(.storeMissing, "it is registered, and not there", path: info.path.path))
            }
        }
        for path in present.keys.sorted() where registration[path] == nil {
            onFinding(Finding(.storeUnknown, "it is there, and not registered", path: path.path))
        }
        return both
    }

    private func checkReferences(of registration: Registration) {
        var isClosed = true
        for info in registration.entries {
            for reference in info.references where registration[reference] == nil {
                isClosed = false
                onFinding(
                    Finding(
                        .storeReference, "it refers to '\(reference.path)', which is not registered",
                        path: info.path.path))
            }
        }
        guard isClosed, let circle = Closure.circle(in: registration.entries) else { return }
        onFinding(
            Finding(
                .storeCircle, circle.map { "'\($0.path)'" }.joined(separator: " → "), path: circle.first?.path))
    }

    // MARK: Metadata

    /// Compares everything in the store with how Nix leaves it.
    /// - Returns: how many names there are.
    private func checkMetadata(
        of present: [StorePath: FileTree.NodeID], _ progress: Progress?
    ) throws(ImageError) -> UInt64 {
        let own = tree.attributes(of: store)
        if own.owner != 0 || own.permissions & 0o002 != 0
            || own.permissions & 0o022 != 0 && own.permissions & 0o1000 == 0
        {
            onFinding(
                Finding(
                    .storeDirectory, "it belongs to \(own.owner):\(own.group) and has the mode \(Self.mode(own))",
                    path: StorePath.directory))
        }
        var count: UInt64 = 0
        // A file with several names is looked at once.
        var seen = [Bool](repeating: false, count: tree.nodes.count)
        for (path, top) in present.sorted(by: { $0.key < $1.key }) {
            try progress?.checkCancelled()
            try tree.walk(from: top) { (name, node) throws(ImageError) in
                count += 1
                if seen[Int(node.index)] { return }
                seen[Int(node.index)] = true
                check(node) { name.isEmpty ? path.path : "\(path.path)/\(String(decoding: name, as: UTF8.self))" }
            }
        }
        return count
    }

    private func check(_ node: FileTree.NodeID, _ path: () -> String) {
        let found = tree.attributes(of: node)
        let isRight: Bool
        switch tree.kind(of: node) {
        case .directory: isRight = found.permissions == 0o555
        case .file: isRight = found.permissions == 0o444 || found.permissions == 0o555
        // Linux has no modes of links: what is there is what made the filesystem.
        case .symlink: isRight = found.permissions == 0o777
        }
        if found.permissions & 0o6000 != 0, tree.kind(of: node) == .file {
            onFinding(Finding(.storePrivileged, "it has the mode \(Self.mode(found))", path: path()))
        } else if !isRight {
            let wanted =
                switch tree.kind(of: node) {
                case .directory: "0555"
                case .file: found.permissions & 0o100 == 0 ? "0444" : "0555"
                case .symlink: "0777"
                }
            onFinding(
                Finding(.storeMode, "it has the mode \(Self.mode(found)), and should have \(wanted)", path: path()))
        }
        if found.owner != 0 || found.group != 0 {
            onFinding(
                Finding(.storeOwner, "it belongs to \(found.owner):\(found.group), and should to 0:0", path: path()))
        }
        if found.modified != 1 {
            onFinding(Finding(.storeTime, "its time is \(found.modified), and should be 1", path: path()))
        }
    }

    private static func mode(_ attributes: FileAttributes) -> String {
        let digits = String(attributes.permissions, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    private func checkOthers(_ others: [[UInt8]]) {
        let prefix = Array(StorePath.directory.utf8.dropFirst()) + [UInt8(ascii: "/")]
        for path in others where path.starts(with: prefix) {
            onFinding(
                Finding(
                    .storeSpecial, "it is neither a file, nor a folder, nor a symbolic link",
                    path: "/" + String(decoding: path, as: UTF8.self)))
        }
    }
}
