import Glibc
public import SystemPackage

/// Copies a file or a tree out of an image.
///
/// ```
///   walk ──▶ directories, links ──▶ files, several at once ──▶ further names ──▶ metadata of ──▶ move to the
///                                   (in disk order)            of files          directories     destination
/// ```
///
/// The copy appears whole or not at all: everything is created in a temporary directory beside the destination, and
/// moved at the end. (If content goes into an existing directory itself, its entries are moved one by one.) Nothing is
/// written elsewhere, whatever the names in the image are, and no existing file is overwritten.
public struct ImageExtraction: Sendable {
    /// What was copied.
    public struct Report: Sendable, Hashable {
        /// The number of files, directories and symbolic links. A file with several names counts once.
        public var files = 0, directories = 0, links = 0
        /// Bytes of the files, holes included.
        public var bytes: UInt64 = 0
        /// The paths of devices (which only root may create) and sockets (which cannot be copied) that were left out.
        /// They begin with a slash, which stands for the copied directory.
        public var skipped: [String] = []
    }

    /// The index that stands for the temporary directory, the parent of the topmost directory or file.
    private static let noDirectory = -1

    private struct Directory: Sendable {
        /// The index of its parent.
        var parent: Int
        var name: [UInt8]
        var metadata: DirectoryWriter.Metadata
    }

    private struct File: Sendable {
        /// The index of its directory.
        var directory: Int
        var name: [UInt8]
        var node: ImageNode
    }

    private struct Name: Sendable {
        /// The index of its directory.
        var directory: Int
        var name: [UInt8]
    }

    private let top: ImageNode
    private let threads: Int
    private let progress: Progress?
    private var directories: [Directory] = []
    private var files: [File] = []
    /// Further names of files, links and devices, each with the first name.
    private var furtherNames: [(first: Name, further: Name)] = []
    /// The first names of files, links and devices that have several, by ``ImageNode/identity``.
    private var firstNames: [UInt64: Name] = [:]
    private var report = Report()

    /// Bytes that are copied at once.
    private static let chunkSize = 1 << 20
    /// The name of the copy in the temporary directory.
    private static let temporaryName = Array("x".utf8)

    /// Copies the file or directory at `path` of a volume.
    ///
    /// If `destination` is a directory, the copy goes into it under its own name; otherwise `destination` is the copy's
    /// name. If `path` ends without a name (`/`, `.`, `..`), the directory's content goes into `destination` itself,
    /// which must be empty or not exist.
    ///
    /// Modes, times and links are copied, and owners if this process is root. Without owners, set-user-ID and
    /// set-group-ID bits are left out.
    ///
    /// - Throws: ``ImageError/Code/notFound`` if the image has no file at `path`, or the parent of `destination` does
    ///   not exist; ``ImageError/Code/invalidInput`` if the copy would replace something; ``ImageError/Code/corrupt``
    ///   if the image is damaged where it is read.
    public static func run(
        _ volume: ImageVolume, path: String, to destination: FilePath, threads: Int = 1, progress: Progress? = nil
    ) throws(ImageError) -> Report {
        guard let top = try volume.node(at: path) else { throw .nothing(at: path) }
        // The copy gets the last name in `path`, not that of a link's target; `.` and `..` do not count as names.
        let name = path.utf8.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? []
        let isNamed = !name.isEmpty && name != [0x2E] && name != [0x2E, 0x2E]
        var extraction = ImageExtraction(top, threads, progress)
        return try extraction.run(Target(destination, name: isNamed ? name : nil))
    }

    private init(_ top: ImageNode, _ threads: Int, _ progress: Progress?) {
        self.top = top
        self.threads = threads
        self.progress = progress
    }

    /// The destination on the host.
    private struct Target {
        /// The directory that receives the copy, and the copy's name in it; a `name` of `nil` if the copied directory's
        /// content goes into `directory` itself.
        var directory: FilePath
        var name: [UInt8]?

        init(_ destination: FilePath, name: [UInt8]?) throws(ImageError) {
            func refuse(_ path: FilePath, _ reason: String) -> ImageError {
                ImageError(
                    .invalidInput, "cannot copy to", path: path.string, reason: reason,
                    remedy: "name a place where nothing is")
            }
            if FileStatus.type(of: destination) == S_IFDIR {
                directory = destination
                self.name = name
                TemporaryDirectory.removeLeftovers(in: directory)
                guard let name else {
                    let names = try DirectoryNames.read(directory: destination)
                    guard names.count == 0 else { throw refuse(destination, "it is not empty") }
                    return
                }
                let path = destination.appending(String(decoding: name, as: UTF8.self))
                guard case .failure = FileStatus.mode(of: path) else { throw refuse(path, "it is there already") }
            } else {
                guard case .failure = FileStatus.mode(of: destination) else {
                    throw refuse(destination, "it is there already")
                }
                guard let last = destination.lastComponent, last.kind == .regular else {
                    throw refuse(destination, "it names no file")
                }
                let parent = destination.removingLastComponent()
                directory = parent.isEmpty ? "." : parent
                self.name = Array(last.string.utf8)
                guard FileStatus.type(of: directory) == S_IFDIR else {
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
        try copy(into: temporary.directory)
        try temporary.directory.move(Self.temporaryName, to: target.directory, as: target.name)
        return report
    }

    private mutating func copy(into temporary: borrowing DirectoryWriter) throws(ImageError) {
        let name = Self.temporaryName
        try progress?.begin(.scan)
        if top.kind == .directory {
            try makeDirectories(name, in: temporary)
        } else {
            try add(name, top, directory: Self.noDirectory, in: temporary)
        }
        try writeFiles(in: temporary)
        for (first, further) in furtherNames {
            let from = try open(first.directory, below: temporary), to = try open(further.directory, below: temporary)
            try to.makeHardLink(further.name, to: first.name, in: from)
        }
        for index in directories.indices.reversed() {
            try checkCancelled()
            try open(index, below: temporary).set(directories[index].metadata)
        }
    }

    private func checkCancelled() throws(ImageError) {
        try progress?.checkCancelled()
        if TemporaryFiles.areBeingRemoved { throw ImageError(.cancelled, "stopped on request") }
    }

    // MARK: Directories, links and devices

    /// Creates all directories, and everything in them except regular files and further names.
    private mutating func makeDirectories(
        _ name: [UInt8], in temporary: borrowing DirectoryWriter
    ) throws(ImageError) {
        try temporary.makeDirectory(name)
        directories.append(Directory(parent: Self.noDirectory, name: name, metadata: Self.metadata(top)))
        // The walk visits parents before their children, so a directory's index is known when it is visited.
        var indices: [[UInt8]: Int] = [[]: 0]
        try top.walk { (_, error) throws(ImageError) in
            throw error
        } _: { (path, _, children) throws(ImageError) in
            try checkCancelled()
            guard let index = indices.removeValue(forKey: path) else { return }
            let writer = try open(index, below: temporary)
            report.directories += 1
            for (name, node) in children {
                try FileTree.check(name)
                if node.kind == .directory {
                    try writer.makeDirectory(name)
                    indices[path.isEmpty ? name : path + [0x2F] + name] = directories.count
                    directories.append(Directory(parent: index, name: name, metadata: Self.metadata(node)))
                } else {
                    try add(name, node, directory: index, in: writer, path: path)
                }
            }
            progress?.advance(UInt64(children.count))
        }
    }

    /// Creates a symbolic link, device or pipe, or records a regular file or a further name, which are made later.
    ///
    /// - Parameters:
    ///   - directory: the index of its directory.
    ///   - writer: that directory, open.
    ///   - path: that directory's path below the top.
    private mutating func add(
        _ name: [UInt8], _ node: ImageNode, directory: Int, in writer: borrowing DirectoryWriter, path: [UInt8] = []
    ) throws(ImageError) {
        guard Self.canMake(node.kind) else {
            report.skipped.append("/" + String(decoding: path.isEmpty ? name : path + [0x2F] + name, as: UTF8.self))
            return
        }
        if node.links > 1, node.kind != .directory {
            let name = Name(directory: directory, name: name)
            if let first = firstNames[node.identity] {
                furtherNames.append((first, name))
                return
            }
            firstNames[node.identity] = name
        }
        switch node.kind {
        case .directory: break
        case .symlink:
            report.links += 1
            try writer.makeLink(name, to: try node.target(), Self.metadata(node))
        case .file:
            report.files += 1
            report.bytes = report.bytes.addingClamping(node.size)
            files.append(File(directory: directory, name: name, node: node))
        default:
            guard let (kind, device) = Self.device(node.kind) else { return }
            try writer.makeSpecial(name, kind, device, Self.metadata(node))
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

    /// Opens a directory of the copy, name by name from the temporary directory.
    private func open(
        _ directory: Int, below temporary: borrowing DirectoryWriter
    ) throws(ImageError) -> DirectoryWriter {
        var names: [[UInt8]] = []
        var index = directory
        while index >= 0 {
            names.append(directories[index].name)
            index = directories[index].parent
        }
        return try DirectoryWriter(names.reversed(), below: temporary)
    }

    /// Writes all files in the order of ``ImageNode/identity``, which is usually the order of their data on the disk.
    /// So most frames of a compressed image are read once.
    private func writeFiles(in temporary: borrowing DirectoryWriter) throws(ImageError) {
        try progress?.begin(.write, total: report.bytes)
        let order = files.indices.sorted { files[$0].node.identity < files[$1].node.identity }
        let path = temporary.path
        let extraction = self
        try onThreads(threads, sharing: order.count, by: 1) { (next) throws(ImageError) in
            let buffer = PageBuffer(count: Self.chunkSize)
            let temporary = try DirectoryWriter(at: path)
            var directory = Self.noDirectory
            var writer = try DirectoryWriter(at: path)
            while let turn = next()?.lowerBound {
                let file = extraction.files[order[turn]]
                try extraction.checkCancelled()
                if directory != file.directory {
                    writer = try extraction.open(file.directory, below: temporary)
                    directory = file.directory
                }
                try writer.makeFile(
                    file.name, try file.node.content(), Self.metadata(file.node), buffer: buffer.bytes
                ) { (bytes) throws(ImageError) in
                    try extraction.checkCancelled()
                    extraction.progress?.advance(bytes)
                }
            }
        }
    }
}

extension ImageError {
    /// The error for a path at which an image has no file or directory.
    package static func nothing(at path: String) -> ImageError {
        ImageError(
            .notFound, "there is nothing at", path: path, reason: "the filesystem has no such file or folder",
            remedy: "look at the folder above with \(.listing)")
    }
}
