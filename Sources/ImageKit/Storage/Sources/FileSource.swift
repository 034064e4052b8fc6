import Glibc
import Synchronization
public import SystemPackage

/// A regular file or a block device, read at any offset. It is open as long as this object exists.
public final class FileSource: ByteSource {
    /// The path, for errors.
    public let path: FilePath
    /// The length in bytes at the time of opening.
    public let size: UInt64
    private let file: Descriptor
    private let count = Atomic<UInt64>(0)

    /// A descriptor, closed with this value.
    private struct Descriptor: ~Copyable {
        let number: Int32
        deinit { close(number) }
    }

    /// Opens a file for reading.
    ///
    /// - Throws: ``ImageError/Code/invalidInput`` if it is neither a regular file nor a block device;
    ///   ``ImageError/Code/notFound`` or ``ImageError/Code/inputOutput`` if it cannot be opened.
    public convenience init(_ path: FilePath) throws(ImageError) {
        // Checks the type first, because opening a device can have effects. Opening must not block if the file has
        // become a pipe since.
        var status = stat()
        guard path.withPlatformString({ stat($0, &status) }) == 0 else {
            throw .system(.current, "cannot open", path: path)
        }
        try Self.check(status, path)
        let number = path.withPlatformString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard number >= 0 else { throw .system(.current, "cannot open", path: path) }
        try self.init(adopting: number, path: path)
    }

    /// Reads an open file, and owns its descriptor.
    init(adopting number: Int32, path: FilePath) throws(ImageError) {
        let file = Descriptor(number: number)
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .system(.current, "cannot read", path: path) }
        try Self.check(status, path)
        // The status of a device does not report its size.
        let end = lseek(number, 0, SEEK_END)
        guard end >= 0 else { throw .system(.current, "cannot read", path: path) }
        size = UInt64(end)
        self.path = path
        self.file = file
    }

    /// The number of bytes read so far.
    public var bytesRead: UInt64 { count.load(ordering: .relaxed) }

    /// Fills `buffer` from `offset` on.
    ///
    /// - Throws: ``ImageError/Code/corrupt`` past the end; ``ImageError/Code/changed`` if the file has become shorter.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        try checkRange(buffer.count, at: offset, path: path.string)
        let done = try OpenFile.read(file.number, into: buffer, at: offset, path: path)
        guard done == buffer.count else {
            throw ImageError(
                .changed, "cannot read", path: path.string, offset: offset + UInt64(done),
                reason: "it became shorter while it was read (it had \(size) bytes)",
                remedy: "try again when nothing writes to it")
        }
        count.wrappingAdd(UInt64(done), ordering: .relaxed)
    }

    private static func check(_ status: stat, _ path: FilePath) throws(ImageError) {
        let kind: String
        switch status.st_mode & S_IFMT {
        case S_IFREG, S_IFBLK: return
        case S_IFDIR: kind = "a folder"
        case S_IFIFO: kind = "a pipe"
        case S_IFCHR: kind = "a character device"
        default: kind = "neither of them"
        }
        throw ImageError(
            .invalidInput, "cannot open", path: path.string,
            reason: "an image is a regular file or a block device, and this is \(kind)",
            remedy: kind == "a pipe" ? "write it to a file first" : "name the image itself")
    }
}
