/// An image's store by its names, with what the image says of it.
struct StoreContents {
    /// More bytes than any registration has.
    private static let limit: UInt64 = 1 << 28

    let volume: ImageVolume
    /// The paths in the order of their names.
    let paths: [StorePath]
    /// `nil` where there is none that can be read.
    let registration: Registration?

    /// Lists the store; `nil` where there is none.
    init?(_ volume: ImageVolume?) throws(ImageError) {
        guard let volume, let directory = try volume.node(at: StorePath.directory), directory.kind == .directory else {
            return nil
        }
        self.volume = volume
        paths = try volume.names(of: directory).compactMap { StorePath(entry: $0) }
        guard let file = try volume.node(at: StoreCheck.registrationPath), file.kind == .file, file.size <= Self.limit
        else {
            registration = nil
            return
        }
        let text = try volume.content(of: file).read(Int(file.size), at: 0)
        registration = try? Registration(parsing: text, file: StoreCheck.registrationPath)
    }

    /// A path's top, of which it is known that its name is there.
    func node(of path: StorePath) throws(ImageError) -> ImageNode {
        guard let node = try volume.node(at: path.path) else {
            throw ImageError(.corrupt, "cannot find what is listed in the store:", path: path.path)
        }
        return node
    }
}

/// The stores of two images.
struct StorePair {
    typealias PathChange = ImageDifference.PathChange

    private let old: StoreContents?, new: StoreContents?
    /// The paths that both have, and those that one has.
    let common: [StorePath], removed: [StorePath], added: [StorePath]

    /// - Returns: `nil` where neither image has a store.
    init?(_ old: StoreContents?, _ new: StoreContents?) {
        guard old != nil || new != nil else { return nil }
        self.old = old
        self.new = new
        let ones = Set(old?.paths ?? []), others = Set(new?.paths ?? [])
        common = (old?.paths ?? []).filter { others.contains($0) }
        removed = (old?.paths ?? []).filter { !others.contains($0) }
        added = (new?.paths ?? []).filter { !ones.contains($0) }
    }

    /// The registrations, where both have one. A store that is not there needs none.
    private var registrations: (old: Registration, new: Registration)? {
        let none = Registration(sorted: [])
        guard let one = old == nil ? none : old?.registration, let other = new == nil ? none : new?.registration else {
            return nil
        }
        return (one, other)
    }

    /// The sizes of the stores' NARs, where both have a registration.
    var sums: (old: UInt64?, new: UInt64?)? {
        guard let registrations else { return nil }
        func sum(_ registration: Registration, _ store: StoreContents?) -> UInt64? {
            store?.paths.reduce(0) { $0.addingClamping(registration[$1]?.narSize ?? 0) }
        }
        return (sum(registrations.old, old), sum(registrations.new, new))
    }

    // MARK: Changes

    /// What changed; the larger change of size comes first.
    func changes(
        _ options: ImageDifference.Options, _ progress: Progress?
    ) throws(ImageError) -> [PathChange] {
        var changes = try damaged(options, progress)
        var sizes = Sizes(self)
        for (one, other) in pairs() {
            try progress?.checkCancelled()
            var change = Self.change(one, other)
            change.oldSize = try one.map { (path) throws(ImageError) in try sizes.old(path) } ?? 0
            change.newSize = try other.map { (path) throws(ImageError) in try sizes.new(path) } ?? 0
            changes.append(change)
        }
        if options.listsFiles, let old, let new {
            var comparison = FileComparison(
                old.volume, new.volume, partition: "root", listsFiles: true, progress: progress)
            for index in changes.indices where changes[index].action != .damaged {
                guard let one = changes[index].oldPath, let other = changes[index].newPath else { continue }
                try comparison.compare(
                    old.node(of: StorePath(one)), new.node(of: StorePath(other)), at: other)
                changes[index].files = comparison.takeChanges()
            }
        }
        changes.sort {
            ImageDifference.isBefore(($0.oldSize, $0.newSize, $0.key), ($1.oldSize, $1.newSize, $1.key))
        }
        return changes
    }

    /// Paths that both have, and that are not the same: by their registrations, or by their bytes where that is asked for.
    private func damaged(
        _ options: ImageDifference.Options, _ progress: Progress?
    ) throws(ImageError) -> [PathChange] {
        guard let old, let new else { return [] }
        var changes: [PathChange] = []
        var comparison = FileComparison(
            old.volume, new.volume, partition: "root", listsFiles: true, progress: progress)
        // In the order of names, which is that of the disk in images of ours: a compressed one is read in one go.
        for path in common.sorted(by: { ($0.name, $0) < ($1.name, $1) }) {
            var isSame = true
            let one = old.registration?[path], other = new.registration?[path]
            if let one, let other { isSame = one.narHash == other.narHash && one.narSize == other.narSize }
            guard !isSame || options.comparesContent else { continue }
            try comparison.compare(old.node(of: path), new.node(of: path), at: path.path)
            let files = comparison.takeChanges()
            if isSame, files.isEmpty { continue }
            var change = Self.change(path, path)
            change.action = .damaged
            (change.oldSize, change.newSize) = (one?.narSize ?? 0, other?.narSize ?? 0)
            change.files = files
            changes.append(change)
        }
        return changes
    }

    private static func change(_ old: StorePath?, _ new: StorePath?) -> PathChange {
        let one = old.map { PackageName($0.name) }, other = new.map { PackageName($0.name) }
        let action: ImageDifference.Action
        switch (one, other) {
        case (_, nil): action = .removed
        case (nil, _): action = .added
        case (let one?, let other?) where one.version == other.version: action = .rebuilt
        case (let one?, let other?):
            action =
                PackageName.isVersion(other.version ?? "", before: one.version ?? "") ? .downgraded : .upgraded
        }
        return PathChange(
            action: action, name: (other ?? one)?.withOutput ?? "", oldVersion: one?.version,
            newVersion: other?.version, oldPath: old?.path, newPath: new?.path, oldSize: 0, newSize: 0)
    }

    /// Joins the paths of one image with those of the other that took their places.
    ///
    /// Of a package with several paths, those of the same version belong together, and of the rest the latest ones.
    private func pairs() -> [(old: StorePath?, new: StorePath?)] {
        var groups: [String: (old: [StorePath], new: [StorePath])] = [:]
        for path in removed { groups[PackageName(path.name).withOutput, default: ([], [])].old.append(path) }
        for path in added { groups[PackageName(path.name).withOutput, default: ([], [])].new.append(path) }
        var pairs: [(old: StorePath?, new: StorePath?)] = []
        for (_, group) in groups.sorted(by: { $0.key < $1.key }) {
            var ones = Self.sorted(group.old), others = Self.sorted(group.new)
            var places: [String: [Int]] = [:]
            for (index, path) in others.enumerated().reversed() {
                places[PackageName(path.name).version ?? "", default: []].append(index)
            }
            var taken: Set<Int> = []
            ones.removeAll { path in
                guard let index = places[PackageName(path.name).version ?? ""]?.popLast() else { return false }
                taken.insert(index)
                pairs.append((path, others[index]))
                return true
            }
            others = others.indices.filter { !taken.contains($0) }.map { others[$0] }
            while !ones.isEmpty || !others.isEmpty { pairs.append((ones.popLast(), others.popLast())) }
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

    /// How large store paths are: by the registrations where both images have one, or else by what is in them.
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
    /// What paths have in common that take each other's places: `openssl`, `openssl-man`.
    fileprivate var withOutput: String { package + (output.map { "-\($0)" } ?? "") }
}

extension ImageDifference.PathChange {
    /// What changes of the same size are sorted by.
    fileprivate var key: String { "\(name) \(newPath ?? oldPath ?? "")" }
}
