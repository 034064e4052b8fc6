/// The stores of two images.
struct StorePair {
    typealias PathChange = ImageDifference.PathChange

    private let old: StoreContents?, new: StoreContents?
    /// The paths of both images, those of the old one only, and those of the new one only.
    let common: [StorePath], removed: [StorePath], added: [StorePath]

    /// - Returns: `nil` where neither image has a store.
    init?(_ old: StoreContents?, _ new: StoreContents?) {
        guard old != nil || new != nil else { return nil }
        self.old = old
        self.new = new
        let oldPaths = Set(old?.paths ?? []), newPaths = Set(new?.paths ?? [])
        common = (old?.paths ?? []).filter { newPaths.contains($0) }
        removed = (old?.paths ?? []).filter { !newPaths.contains($0) }
        added = (new?.paths ?? []).filter { !oldPaths.contains($0) }
    }

    /// The registrations; `nil` unless both images have one. An image without a store has an empty one.
    private var registrations: (old: Registration, new: Registration)? {
        let empty = Registration(sorted: [])
        guard let oldRegistration = old == nil ? empty : old?.registration,
            let newRegistration = new == nil ? empty : new?.registration
        else { return nil }
        return (oldRegistration, newRegistration)
    }

    /// The sizes of the stores' NARs in bytes; `nil` unless both images have a registration.
    var sums: (old: UInt64?, new: UInt64?)? {
        guard let registrations else { return nil }
        func sum(_ registration: Registration, _ store: StoreContents?) -> UInt64? {
            store?.paths.reduce(0) { $0.addingClamping(registration[$1]?.narSize ?? 0) }
        }
        return (sum(registrations.old, old), sum(registrations.new, new))
    }

    // MARK: Changes

    /// The changes; the largest change of size comes first.
    func changes(
        _ options: ImageDifference.Options, _ progress: Progress?
    ) throws(ImageError) -> [PathChange] {
        var changes = try damaged(options, progress)
        var sizes = Sizes(self)
        for (oldPath, newPath) in pairs() {
            try progress?.checkCancelled()
            var change = Self.change(oldPath, newPath)
            change.oldSize = try oldPath.map { (path) throws(ImageError) in try sizes.old(path) } ?? 0
            change.newSize = try newPath.map { (path) throws(ImageError) in try sizes.new(path) } ?? 0
            changes.append(change)
        }
        if options.listsFiles, let old, let new {
            var comparison = FileComparison(
                old.volume, new.volume, partition: "root", listsFiles: true, progress: progress)
            for index in changes.indices where changes[index].action != .damaged {
                guard let oldPath = changes[index].oldPath, let newPath = changes[index].newPath else { continue }
                try comparison.compare(
                    old.node(of: StorePath(oldPath)), new.node(of: StorePath(newPath)), at: newPath)
                changes[index].files = comparison.takeChanges()
            }
        }
        changes.sort {
            ImageDifference.isBefore(($0.oldSize, $0.newSize, $0.key), ($1.oldSize, $1.newSize, $1.key))
        }
        return changes
    }

    /// The paths of both images whose content differs: by their registrations, or by their bytes if the options ask for
    /// that.
    private func damaged(
        _ options: ImageDifference.Options, _ progress: Progress?
    ) throws(ImageError) -> [PathChange] {
        guard let old, let new else { return [] }
        var changes: [PathChange] = []
        var comparison = FileComparison(
            old.volume, new.volume, partition: "root", listsFiles: true, progress: progress)
        // In the order of package names, which is the order on the disk in images of mkpiimg: a compressed image is
        // read from its beginning to its end.
        for path in common.sorted(by: { ($0.name, $0) < ($1.name, $1) }) {
            var isSame = true
            let oldInfo = old.registration?[path], newInfo = new.registration?[path]
            if let oldInfo, let newInfo {
                isSame = oldInfo.narHash == newInfo.narHash && oldInfo.narSize == newInfo.narSize
            }
            guard !isSame || options.comparesContent else { continue }
            try comparison.compare(old.node(of: path), new.node(of: path), at: path.path)
            let files = comparison.takeChanges()
            if isSame, files.isEmpty { continue }
            var change = Self.change(path, path)
            change.action = .damaged
            (change.oldSize, change.newSize) = (oldInfo?.narSize ?? 0, newInfo?.narSize ?? 0)
            change.files = files
            changes.append(change)
        }
        return changes
    }

    private static func change(_ old: StorePath?, _ new: StorePath?) -> PathChange {
        let oldName = old.map { PackageName($0.name) }, newName = new.map { PackageName($0.name) }
        let action: ImageDifference.Action
        switch (oldName, newName) {
        case (_, nil): action = .removed
        case (nil, _): action = .added
        case (let old?, let new?) where old.version == new.version: action = .rebuilt
        case (let old?, let new?):
            action = PackageName.isVersion(new.version ?? "", before: old.version ?? "") ? .downgraded : .upgraded
        }
        return PathChange(
            action: action, name: (newName ?? oldName)?.withOutput ?? "", oldVersion: oldName?.version,
            newVersion: newName?.version, oldPath: old?.path, newPath: new?.path, oldSize: 0, newSize: 0)
    }

    /// Joins removed paths with their successors among the added ones.
    ///
    /// Paths of the same package and version are joined first, then the latest versions of the rest.
    private func pairs() -> [(old: StorePath?, new: StorePath?)] {
        var groups: [String: (old: [StorePath], new: [StorePath])] = [:]
        for path in removed { groups[PackageName(path.name).withOutput, default: ([], [])].old.append(path) }
        for path in added { groups[PackageName(path.name).withOutput, default: ([], [])].new.append(path) }
        var pairs: [(old: StorePath?, new: StorePath?)] = []
        for (_, group) in groups.sorted(by: { $0.key < $1.key }) {
            var oldPaths = Self.sorted(group.old), newPaths = Self.sorted(group.new)
            var indices: [String: [Int]] = [:]
            for (index, path) in newPaths.enumerated().reversed() {
                indices[PackageName(path.name).version ?? "", default: []].append(index)
            }
            var joined: Set<Int> = []
            oldPaths.removeAll { path in
                guard let index = indices[PackageName(path.name).version ?? ""]?.popLast() else { return false }
                joined.insert(index)
                pairs.append((path, newPaths[index]))
                return true
            }
            newPaths = newPaths.indices.filter { !joined.contains($0) }.map { newPaths[$0] }
            while !oldPaths.isEmpty || !newPaths.isEmpty { pairs.append((oldPaths.popLast(), newPaths.popLast())) }
        }
        return pairs
    }

    /// By version, and then by path.
    private static func sorted(_ paths: [StorePath]) -> [StorePath] {
        let named = paths.map { (path: $0, version: PackageName($0.name).version ?? "") }
        return named.sorted {
            if $0.version == $1.version { return $0.path < $1.path }
            if PackageName.isVersion($0.version, before: $1.version) { return true }
            if PackageName.isVersion($1.version, before: $0.version) { return false }
            return $0.version < $1.version
        }.map(\.path)
    }

    // MARK: Sizes

    /// The sizes of store paths: from the registrations where both images have one, otherwise the sums of their files.
    private struct Sizes {
        private let registrations: (old: Registration, new: Registration)?
        private let stores: (old: StoreContents?, new: StoreContents?)
        private var readers: (old: DirectoryReader?, new: DirectoryReader?)

        init(_ pair: StorePair) {
            registrations = pair.registrations
            stores = (pair.old, pair.new)
            readers = (pair.old.map { DirectoryReader($0.volume) }, pair.new.map { DirectoryReader($0.volume) })
        }

        mutating func old(_ path: StorePath) throws(ImageError) -> UInt64 {
            if let size = registrations?.old[path]?.narSize { return size }
            guard let node = try stores.old?.node(of: path) else { return 0 }
            return try readers.old?.sum(of: node).bytes ?? 0
        }

        mutating func new(_ path: StorePath) throws(ImageError) -> UInt64 {
            if let size = registrations?.new[path]?.narSize { return size }
            guard let node = try stores.new?.node(of: path) else { return 0 }
            return try readers.new?.sum(of: node).bytes ?? 0
        }
    }
}

extension PackageName {
    /// The name that a path shares with its successor: `openssl`, `openssl-man`.
    fileprivate var withOutput: String { package + (output.map { "-\($0)" } ?? "") }
}

extension ImageDifference.PathChange {
    /// The text by which changes of the same size are sorted.
    fileprivate var key: String { "\(name) \(newPath ?? oldPath ?? "")" }
}
