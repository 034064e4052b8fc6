import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A host file open for reading, which makes sure that it still is the file that was planned.
struct HostFile: ~Copyable {
    private let descriptor: Int32
    private let path: [CChar]
    private let expected: HostFiles.Identity

    /// Opens the file and, unless that is left to a later reading, compares device, inode, size and change time with what
    /// was planned.
    init(_ file: HostFiles.FileID, of files: HostFiles, isChecked: Bool = true) throws(ImageError) {
        let path = files.pathBytes(of: file)
        let expected = files.identity(of: file)
        // Should it have become a pipe since it was planned, opening must not wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw .system(Errno(rawValue: errno), "cannot open", path: FilePath(platformString: path))
        }
        do throws(ImageError) {
            if isChecked { try Self.check(descriptor, expected, path) }
        } catch {
            close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        self.path = path
        self.expected = expected
    }

    deinit { close(descriptor) }

    /// Fills `buffer` from `offset` on.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        let count = try OpenFile.read(descriptor, into: buffer, at: offset, path: FilePath(platformString: path))
        guard count == buffer.count else { throw Self.changed(path, "it became shorter while it was read") }
    }

    /// Whether the host's filesystem knows that a range holds no data (it then reads as zeros). `false` where it cannot
    /// tell.
    func isHole(_ range: Range<UInt64>) -> Bool {
        let seekData: Int32 = 3  // SEEK_DATA, which glibc only shows to GNU sources
        let next = lseek(descriptor, off_t(range.lowerBound), seekData)
        return next < 0 ? errno == ENXIO : UInt64(next) >= range.upperBound
    }

    /// Tells the kernel that reads will not follow one another, so that it reads no more than is asked for.
    func expectRandomReads() { posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM) }

    /// Asks the kernel to have a range in memory soon.
    func prefetch(_ length: UInt64, at offset: UInt64) {
        posix_fadvise(descriptor, off_t(offset), off_t(length), POSIX_FADV_WILLNEED)
    }

    /// Throws when the file is no longer what was planned. To be called after the last read.
    func checkUnchanged() throws(ImageError) { try Self.check(descriptor, expected, path) }

    private static func check(
        _ descriptor: Int32, _ expected: HostFiles.Identity, _ path: [CChar]
    ) throws(ImageError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .system(Errno(rawValue: errno), "cannot read", path: FilePath(platformString: path))
        }
        if HostFiles.Identity(status) != expected {
            throw changed(path, "it was replaced or written to since it was planned")
        }
    }

    private static func changed(_ path: [CChar], _ reason: String) -> ImageError {
        ImageError(
            .changed, "the source file changed", path: FilePath(platformString: path).string, reason: reason,
            remedy: "build again when nothing writes to it")
    }
}

extension HostFiles.Identity {
    init(_ status: stat) {
        self.init(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: UInt64(max(0, status.st_size)),
            changed: Int64(status.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_ctim.tv_nsec))
    }
}
