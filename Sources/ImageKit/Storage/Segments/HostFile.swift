import Glibc
import SystemPackage

/// A host file that is open for reading. It checks that the file is still the one that was planned.
struct HostFile: ~Copyable {
    private let descriptor: Int32
    private let path: [CChar]
    private let expected: HostFiles.Identity
    /// Whether the file was checked on opening and occupies less of its disk than its size. Only then does a read
    /// search for holes.
    private let mayHaveHoles: Bool

    /// Opens the file.
    ///
    /// - Parameter isChecked: whether to check now that the file is the planned one: device, inode, size and
    ///   modification time. Otherwise reads do not search for holes. In both cases, call ``checkUnchanged()`` after the
    ///   last read.
    init(_ file: HostFiles.FileID, of files: HostFiles, isChecked: Bool = true) throws(ImageError) {
        let path = files.pathBytes(of: file)
        let expected = files.identity(of: file)
        // Opening must not wait for a writer if the file has become a pipe since it was planned.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw .system(.current, "cannot open", path: FilePath(platformString: path))
        }
        let hasHoles: Bool
        do throws(ImageError) {
            hasHoles = isChecked ? try Self.check(descriptor, expected, path).hasHoles : false
        } catch {
            close(descriptor)
            throw error
        }
        mayHaveHoles = hasHoles
        self.descriptor = descriptor
        self.path = path
        self.expected = expected
    }

    deinit { close(descriptor) }

    /// Fills `buffer` with the file's bytes from `offset` on.
    ///
    /// - Throws: ``ImageError/Code/changed`` if the file ends before that.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        guard mayHaveHoles, buffer.count >= Self.minimumHole else { return try readData(into: buffer, at: offset) }
        // Reading a hole through the page cache takes ten times as long as skipping it.
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let position = offset + UInt64(done)
            let hole = holeLength(at: position, atMost: rest.count)
            UnsafeMutableRawBufferPointer(rebasing: rest[..<hole]).initializeMemory(as: UInt8.self, repeating: 0)
            let data = dataLength(at: position + UInt64(hole), atMost: rest.count - hole)
            try readData(
                into: UnsafeMutableRawBufferPointer(rebasing: rest[hole..<hole + data]), at: position + UInt64(hole))
            done += hole + data
        }
    }

    private func readData(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        let count = try OpenFile.read(descriptor, into: buffer, at: offset, path: FilePath(platformString: path))
        guard count == buffer.count else {
            try checkUnchanged()
            throw Self.changed(path, "it became shorter while it was read")
        }
    }

    /// Whether the host's filesystem reports that a range has no data, so that it reads as zeros. `false` if the
    /// filesystem cannot tell.
    func isHole(_ range: Range<UInt64>) -> Bool {
        let next = lseek(descriptor, off_t(range.lowerBound), LinuxConstants.seekData)
        return next < 0 ? errno == ENXIO : UInt64(next) >= range.upperBound
    }

    /// The number of bytes from `offset` on that the host's filesystem reports as a hole, at most `limit` − 1. The last
    /// byte always remains to be read, to check that the file still extends that far.
    private func holeLength(at offset: UInt64, atMost limit: Int) -> Int {
        let next = lseek(descriptor, off_t(offset), LinuxConstants.seekData)
        if next < 0 { return errno == ENXIO ? limit - 1 : 0 }
        return UInt64(next) < offset ? 0 : min(limit - 1, Int(clamping: UInt64(next) - offset))
    }

    /// The number of bytes from `offset` on that are not in a hole: at least 1 and at most `limit`.
    private func dataLength(at offset: UInt64, atMost limit: Int) -> Int {
        let next = lseek(descriptor, off_t(offset), LinuxConstants.seekHole)
        guard next > 0, UInt64(next) > offset else { return limit }
        return min(limit, Int(clamping: UInt64(next) - offset))
    }

    /// The smallest read, in bytes, for which a search for holes pays off.
    static let minimumHole = 64 << 10

    /// Tells the kernel that reads are not sequential, so that it does not read ahead.
    func expectRandomReads() { posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM) }

    /// Asks the kernel to read a range into memory in the background.
    func prefetch(_ length: UInt64, at offset: UInt64) {
        // The kernel truncates a request to the larger of the disk's maximum request and its own read-ahead.
        for start in stride(from: offset, to: offset + length, by: Self.prefetchStep) {
            let step = min(UInt64(Self.prefetchStep), offset + length - start)
            posix_fadvise(descriptor, off_t(start), off_t(step), POSIX_FADV_WILLNEED)
        }
    }

    /// Bytes of a request: the kernel's default read-ahead, which it does not truncate for any disk.
    private static let prefetchStep = 128 << 10

    /// Throws if the file is no longer the planned one. Call it after the last read.
    func checkUnchanged() throws(ImageError) { try Self.check(descriptor, expected, path) }

    @discardableResult
    private static func check(
        _ descriptor: Int32, _ expected: HostFiles.Identity, _ path: [CChar]
    ) throws(ImageError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .system(.current, "cannot read", path: FilePath(platformString: path))
        }
        if HostFiles.Identity(status) != expected {
            throw changed(path, "it was replaced or written to since it was planned")
        }
        return status
    }

    private static func changed(_ path: [CChar], _ reason: String) -> ImageError {
        ImageError(
            .changed, "the source file changed", path: FilePath(platformString: path).string, reason: reason,
            remedy: "build again when nothing writes to it")
    }
}

extension stat {
    /// Whether the file occupies less of its disk than its size.
    fileprivate var hasHoles: Bool { Int64(st_blocks) < Int64(st_size) / 512 }
}

extension HostFiles.Identity {
    init(_ status: stat) {
        self.init(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: UInt64(max(0, status.st_size)),
            modified: Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec))
    }
}
