import Glibc
public import SystemPackage

/// Copies a file or a tree out of an image.
///
/// ```
///   walk ──▶ directories, links ──▶ files in disk order, several at once ──▶ second names ──▶ directories' metadata ──▶ its name
/// ```
///
/// It appears whole or not at all: everything is made in a temporary directory beside the destination, which takes its name at
/// the end. Nothing is written elsewhere, whatever the names in the image are, and nothing that is there is written over.
public struct ImageExtraction: Sendable {
    /// What was copied.
    public struct Report: Sendable, Hashable {
        /// How many of each; hard links are counted under `files` once.
        public var files = 0, directories = 0, links = 0
        /// Bytes in the files, holes included.
        public var bytes: UInt64 = 0
        /// Paths of what was left out, because only root may make devices, or because sockets cannot be copied.
        public var skipped: [String] = []
    }

    private struct Directory: Sendable {
        var parent: Int
        var name: [UInt8]
        var metadata: DirectoryWriter.Metadata
    }

    private struct File: Sendable {
        var directory: Int
        var name: [UInt8]
        var node: ImageNode
    }

    private struct Name: Sendable {
        var directory: Int
        var name: [UInt8]
    }

    private let volume: ImageVolume
    private let top: ImageNode
    private let threads: Int
    private let progress: Progress?
    private var directories: [Directory] = []
    private var files: [File] = []
    /// Names of files, links and devices that have another name, and which.
    private var seconds: [(first: Name, directory: Int, name: [UInt8])] = []
    private var known: [UInt64: Name] = [:]
    private var report = Report()

    private static let piece = 1 << 20
    private static let madeName = Array("x".utf8)

    /// Copies what is at `path` of a volume to `destination`: into it where it is a directory, under the node's own name; else
    /// it gets that name. The top directory's content goes into `destination` itself, which is made or must be empty.
    ///
    /// Modes, times and links come along, and owners where this process is root's; otherwise set-user-ID bits do not.
    ///
    /// - Throws: ``ImageError/Code/notFound`` where nothing is at `path`; ``ImageError/Code/invalidInput`` where something
    ///   is at the destination; ``ImageError/Code/corrupt`` where the image is damaged there.
    public static func run(
        _ volume: ImageVolume, path: String, to destination: FilePath, threads: Int = 1, progress: Progress? = nil
    ) throws(ImageError) -> Report {
        guard let top = try volume.node(at: path) else { throw .nothing(at: path) }
        // The name that a link was followed to, or `..`, is not the name to give.
        let name = path.utf8.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? []
        let isNamed = !name.isEmpty && name != [0x2E] && name != [0x2E, 0x2E]
        var extraction = ImageExtraction(volume, top, threads, progress)
        return try extraction.run(Target(destination, name: isNamed ? name : nil))
    }

    private init(_ volume: ImageVolume, _ top: ImageNode, _ threads: Int, _ progress: Progress?) {
        self.volume = volume
        self.top = top
        self.threads = threads
        self.progress = progress
    }

    /// Where it goes.
    private struct Target {
        /// The directory that will have it, and its name there; no name where the directory's content is what is copied.
        var directory: FilePath
        var name: [UInt8]?

        init(_ destination: FilePath, name: [UInt8]?) throws(ImageError) {
            func refuse(_ path: FilePath, _ reason: String) -> ImageError {
                ImageError(
                    .invalidInput, "cannot copy to", path: path.string, reason: reason,
                    remedy: "name a place where nothing is")
            }
            var status = stat()
            if stat(destination.string, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
                directory = destination
                self.name = name
                TemporaryDirectory.removeLeftovers(in: directory)
                guard let name else {
                    let names = try DirectoryNames.read(directory: destination)
                    guard names.count == 0 else { throw refuse(destination, "it is not empty") }
                    return
                }
                let place = destination.appending(String(decoding: name, as: UTF8.self))
                guard lstat(place.string, &status) != 0 else { throw refuse(place, "it is there already") }
            } else {
                guard lstat(destination.string, &status) != 0 else { throw refuse(destination, "it is there already") }
                guard let last = destination.lastComponent, last.kind == .regular else {
                    throw refuse(destination, "it names no file")
                }
                let parent = destination.removingLastComponent()
                directory = parent.isEmpty ? "." : parent
                self.name = Array(last.string.utf8)
                guard stat(directory.string, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                    throw ImageError(
                        .notFound, "cannot copy to", path: destination.string,
                        reason: "the folder '\(directory.string)' does not exist", remedy: "create it first")
                }
                TemporaryDirectory.removeLeftovers(in: directory)
            }
        }
    }

    private mutating func run(_ target: Target) throws(ImageError) -> Report {
        let temporary = try TemporaryDirectory(in: target.directory)
        try make(in: temporary.directory)
        try temporary.directory.move(Self.madeName, to: target.directory, as: target.name)
        return report
    }

    private mutating func make(in place: borrowing DirectoryWriter) throws(ImageError) {
        // Everything lies below a directory of this name until the end.
        let name = Self.madeName
        try progress?.begin(.scan)
        if top.kind == .directory {
            try makeDirectories(name, in: place)
        } else {
            try add(name, top, directory: -1, in: place)
        }
        try fill(place)
        for (first, directory, name) in seconds {
            let from = try open(first.directory, below: place), to = try open(directory, below: place)
            try to.makeHardLink(name, to: first.name, in: from)
        }
        for index in directories.indices.reversed() {
            try checkGoingOn()
            try open(index, below: place).set(directories[index].metadata)
        }
    }

    private func checkGoingOn() throws(ImageError) {
        try progress?.checkCancelled()
        if TemporaryFiles.areBeingRemoved { throw ImageError(.cancelled, "stopped on request") }
    }

    // MARK: What there is

    private mutating func makeDirectories(_ name: [UInt8], in place: borrowing DirectoryWriter) throws(ImageError) {
        try place.makeDirectory(name)
        directories.append(Directory(parent: -1, name: name, metadata: Self.metadata(top)))
        // The walk visits directories in the order of paths, so a directory's own number is known by then.
        var numbers: [[UInt8]: Int] = [[]: 0]
        try volume.walk(from: top) { (_, error) throws(ImageError) in
            throw error
        } _: { (path, directory, children) throws(ImageError) in
            try checkGoingOn()
            guard let number = numbers.removeValue(forKey: path) else { return }
            let open = try self.open(number, below: place)
            report.directories += 1
            for (name, node) in children {
                try FileTree.check(name)
                if node.kind == .directory {
                    try open.makeDirectory(name)
                    numbers[path.isEmpty ? name : path + [0x2F] + name] = directories.count
                    directories.append(Directory(parent: number, name: name, metadata: Self.metadata(node)))
                } else {
                    try add(name, node, directory: number, in: open, path: path)
                }
            }
            progress?.advance(UInt64(children.count))
        }
    }

    private mutating func add(
        _ name: [UInt8], _ node: ImageNode, directory: Int, in open: borrowing DirectoryWriter, path: [UInt8] = []
    ) throws(ImageError) {
        guard Self.canMake(node.kind) else {
            report.skipped.append("/" + String(decoding: path.isEmpty ? name : path + [0x2F] + name, as: UTF8.self))
            return
        }
        if node.links > 1, node.kind != .directory {
            if let first = known[node.identity] {
                seconds.append((first, directory, name))
                return
            }
            known[node.identity] = Name(directory: directory, name: name)
        }
        switch node.kind {
        case .directory: break
        case .symlink:
            report.links += 1
            try open.makeLink(name, to: try volume.target(of: node), Self.metadata(node))
        case .file:
            report.files += 1
            report.bytes = report.bytes.addingClamping(node.size)
            files.append(File(directory: directory, name: name, node: node))
        default:
            guard let (kind, device) = Self.device(node.kind) else { return }
            try open.makeSpecial(name, kind, device, Self.metadata(node))
        }
    }

    private static func canMake(_ kind: FileKind) -> Bool {
        switch kind {
        case .directory, .file, .symlink, .fifo: true
        case .characterDevice, .blockDevice: geteuid() == 0
        case .socket: false
        }
    }

    private static func device(_ kind: FileKind) -> (mode_t, dev_t)? {
        switch kind {
        case .characterDevice(let major, let minor): (mode_t(S_IFCHR), makedev(major, minor))
        case .blockDevice(let major, let minor): (mode_t(S_IFBLK), makedev(major, minor))
        case .fifo: (mode_t(S_IFIFO), 0)
        default: nil
        }
    }

    private static func makedev(_ major: UInt32, _ minor: UInt32) -> dev_t {
        let (major, minor) = (dev_t(major), dev_t(minor))
        return (major & 0xFFF) << 8 | (major & ~0xFFF) << 32 | minor & 0xFF | (minor & ~0xFF) << 12
    }

    private static func metadata(_ node: ImageNode) -> DirectoryWriter.Metadata {
        DirectoryWriter.Metadata(attributes: node.attributes, nanoseconds: node.nanoseconds)
    }

    // MARK: Files

    /// Opens one of the directories, name by name from the temporary one on.
    private func open(_ directory: Int, below place: borrowing DirectoryWriter) throws(ImageError) -> DirectoryWriter {
        var names: [[UInt8]] = []
        var index = directory
        while index >= 0 {
            names.append(directories[index].name)
            index = directories[index].parent
        }
        return try DirectoryWriter(names.reversed(), below: place)
    }

    /// Writes all files, in the order in which they lie on the disk, so that each frame of a compressed image is read once.
    private func fill(_ place: borrowing DirectoryWriter) throws(ImageError) {
        try progress?.begin(.write, total: report.bytes)
        let order = files.indices.sorted { files[$0].node.identity < files[$1].node.identity }
        let path = place.path
        let this = self
        try onThreads(threads, sharing: order.count, by: 1) { (next) throws(ImageError) in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.piece, alignment: 4096)
            defer { buffer.deallocate() }
            let place = try DirectoryWriter(at: path)
            var directory = -2
            var open = try DirectoryWriter(at: path)
            while let turn = next()?.lowerBound {
                let file = this.files[order[turn]]
                try this.checkGoingOn()
                if directory != file.directory {
                    open = try this.open(file.directory, below: place)
                    directory = file.directory
                }
                try open.makeFile(
                    file.name, try this.volume.content(of: file.node), Self.metadata(file.node), buffer: buffer
                ) { (bytes) throws(ImageError) in
                    try this.checkGoingOn()
                    this.progress?.advance(bytes)
                }
            }
        }
    }
}

extension ImageError {
    /// Nothing is there.
    public static func nothing(at path: String) -> ImageError {
        ImageError(
            .notFound, "there is nothing at", path: path, reason: "the filesystem has no such file or folder",
            remedy: "look at the folder above with 'mkpiimg ls'")
    }
}
