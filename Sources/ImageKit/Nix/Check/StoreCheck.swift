/// Checks a Nix store in a filesystem: whether it matches its registration, is complete, and has Nix's metadata.
///
/// ```
///   registration ──▶ closed?            every reference is registered, and there are no circles
///        │     ▲
///        ▼     │
///   store paths ──▶ metadata            as Nix sets it: modes, owner, time
///        └────────▶ NAR hash and size   of each path, in the order of the data on the disk
/// ```
public struct StoreCheck: Sendable {
    /// The amounts that were checked.
    public struct Counts: Sendable, Hashable {
        /// Registered paths.
        public var registered: UInt64 = 0
        /// Store paths in the store.
        public var paths: UInt64 = 0
        /// Names of files, directories and links in the store paths.
        public var entries: UInt64 = 0
        /// Paths that were hashed, and the bytes of their NARs.
        public var hashed: UInt64 = 0, hashedBytes: UInt64 = 0
    }

    let tree: FileTree
    /// The store's own directory.
    let store: FileTree.NodeID
    let onFinding: @Sendable (Finding) -> Void

    /// Checks the store in a filesystem's tree.
    ///
    /// - Parameters:
    ///   - specialFiles: paths of devices, pipes and sockets, which a tree cannot have, without a leading slash.
    ///   - threads: the number of threads that hash store paths.
    ///   - onFinding: called for each finding, with a path from the filesystem's root; never from two threads at once.
    /// - Returns: the amounts that were checked; `nil` if there is no store.
    /// - Throws: only errors of the source that are no damage, and ``ImageError/Code/cancelled``.
    public static func run(
        _ tree: FileTree, specialFiles: [[UInt8]] = [], threads: Int, progress: Progress? = nil,
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
        check.checkSpecialFiles(specialFiles)
        if let registration = try check.registration() {
            counts.registered = UInt64(registration.entries.count)
            check.checkReferences(of: registration)
            let registered = check.checkPresence(of: registration, present)
            let content = StoreContentCheck(registered, of: tree)
            let hashed = try content.run(threads: threads, progress: progress, onFinding: onFinding)
            (counts.hashed, counts.hashedBytes) = hashed
        }
        return counts
    }

    /// Reports paths that are missing or unregistered; returns those that are both registered and present.
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

    /// Reports references to unregistered paths; otherwise reports a circle of references, if any.
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

    /// Compares the metadata of everything in the store with that which Nix sets.
    /// - Returns: the number of names.
    private func checkMetadata(
        of present: [StorePath: FileTree.NodeID], _ progress: Progress?
    ) throws(ImageError) -> UInt64 {
        let attributes = tree.attributes(of: store)
        if attributes.owner != 0 || attributes.permissions & 0o002 != 0
            || attributes.permissions & 0o022 != 0 && attributes.permissions & 0o1000 == 0
        {
            onFinding(
                Finding(
                    .storeDirectory,
                    "it belongs to \(attributes.owner):\(attributes.group) and has the mode \(Self.mode(attributes))",
                    path: StorePath.directory))
        }
        var count: UInt64 = 0
        // A file with several names is checked once.
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
        // Linux ignores the mode of a link; this is the one that the maker of the filesystem stored.
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
        attributes.permissions.digits(radix: 8, width: 4)
    }

    /// Reports files in the store that a store cannot have.
    private func checkSpecialFiles(_ paths: [[UInt8]]) {
        let prefix = Array(StorePath.directory.utf8.dropFirst()) + [UInt8(ascii: "/")]
        for path in paths where path.starts(with: prefix) {
            onFinding(
                Finding(
                    .storeSpecial, "it is neither a file, nor a folder, nor a symbolic link",
                    path: "/" + String(decoding: path, as: UTF8.self)))
        }
    }
}
