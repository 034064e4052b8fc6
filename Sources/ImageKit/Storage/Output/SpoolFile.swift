import Glibc
import SystemPackage

/// A temporary file without a name, with holes for blocks of zeros. The kernel removes it when it is closed.
struct SpoolFile: ~Copyable {
    private let descriptor: Int32
    private let directory: FilePath
    private var length: UInt64 = 0
    /// Bytes that can be written before the free space must be checked again.
    private var unchecked: UInt64 = 0

    /// Bytes that stay free on the file's disk for other programs.
    private static let reserve: UInt64 = 64 << 20
    /// The maximum number of bytes that are written between two checks of the free space.
    private static let checkInterval: UInt64 = 32 << 20

    /// Creates the file. While it has a name, only its owner can read it, because images may hold secrets.
    init(in directory: FilePath) throws(ImageError) {
        // If the filesystem supports it, the file never has a name. A name would remain if this program was killed.
        let unnamed = O_DIRECTORY | LinuxConstants.temporaryFile
        var descriptor = directory.withPlatformString { open($0, O_RDWR | O_CLOEXEC | unnamed, 0o600) }
        var code = Errno.fileExists
        while descriptor < 0, code == .fileExists {
            let name = directory.appending(".mkpiimg-\(String(UInt64.random(in: .min ... .max), radix: 16)).tmp")
            switch TemporaryFiles.create(name, { open($0, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600) }) {
            case .success(let created):
                descriptor = created
                name.withPlatformString { _ = unlink($0) }
                TemporaryFiles.forget(name)
            case .failure(let failure): code = failure
            }
        }
        guard descriptor >= 0 else {
            throw .system(
                code, "cannot create a temporary file in", path: directory,
                remedy: "name another folder with the variable TMPDIR")
        }
        self.descriptor = descriptor
        self.directory = directory
    }

    deinit { close(descriptor) }

    /// The directory for spool files: the one that TMPDIR names, or else `/var/tmp` (`/tmp` is often in memory).
    static var defaultDirectory: FilePath {
        guard let name = getenv("TMPDIR"), name.pointee != 0 else { return "/var/tmp" }
        return FilePath(platformString: name)
    }

    /// Appends bytes. Blocks of zeros become holes.
    mutating func append(_ bytes: UnsafeRawBufferPointer) throws(ImageError) {
        if !bytes.isZero {
            try checkSpace(for: UInt64(bytes.count))
            try SparseWriter.writeNonzero(bytes, to: descriptor, at: length, path: directory)
        }
        length += UInt64(bytes.count)
    }

    /// Ends writing, and returns the file for reading.
    /// - Parameter name: the path to name in errors of reading.
    consuming func finish(as name: FilePath) throws(ImageError) -> FileSource {
        guard ftruncate(descriptor, off_t(length)) == 0 else {
            throw .system(.current, "cannot write a temporary file in", path: directory)
        }
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw .system(.current, "cannot read", path: directory) }
        return try FileSource(adopting: copy, path: name)
    }

    private mutating func checkSpace(for bytes: UInt64) throws(ImageError) {
        // `unchecked` begins at 0, so the first write also checks the space.
        if unchecked >= bytes {
            unchecked -= bytes
            return
        }
        guard let free = OpenFile.freeBytes(descriptor) else { return }
        guard free >= Self.reserve, free - Self.reserve >= bytes else {
            throw ImageError(
                .doesNotFit, "the decompressed image does not fit into", path: directory.string,
                reason: "\(ByteSize.format(free)) are free after its first \(ByteSize.format(length))",
                remedy: "free some space, or name a folder on another disk with the variable TMPDIR")
        }
        unchecked = min(Self.checkInterval, free - Self.reserve - bytes)
    }
}
