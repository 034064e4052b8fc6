import Glibc
import SystemPackage

/// A host file open for reading, which makes sure that it still is the file that was planned.
struct HostFile: ~Copyable {
    private let descriptor: Int32
    private let path: [CChar]
    private let expected: HostFiles.Identity
    /// Whether it has less on the disk than its size. Then holes may be worth asking for.
    private let mayHaveHoles: Bool

    /// Opens the file. Whether it still is what was planned (device, inode, size and modification time) is asked at once, unless
    /// that is left to a later reading or to ``checkUnchanged()``.
    init(_ file: HostFiles.FileID, of files: HostFiles, isChecked: Bool = true) throws(ImageError) {
        let path = files.pathBytes(of: file)
        let expected = files.identity(of: file)
        // Should it have become a pipe since it was planned, opening must not wait for a writer.
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

    /// Fills `buffer` from `offset` on.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws(ImageError) {
        guard mayHaveHoles, buffer.count >= Self.leastHole else { return try readData(into: buffer, at: offset) }
        // Filesystems on disks keep pages of zeros in memory for holes that are read, at a tenth of the speed of this.
        var done = 0
        while done < buffer.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
            let place = offset + UInt64(done)
            let hole = holeLength(at: place, atMost: rest.count)
            UnsafeMutableRawBufferPointer(rebasing: rest[..<hole]).initializeMemory(as: UInt8.self, repeating: 0)
            let data = dataLength(at: place + UInt64(hole), atMost: rest.count - hole)
            try readData(
                into: UnsafeMutableRawBufferPointer(rebasing: rest[hole..<hole + data]), at: place + UInt64(hole))
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

    /// Whether the host's filesystem knows that a range holds no data (it then reads as zeros). `false` where it cannot
    /// tell.
    func isHole(_ range: Range<UInt64>) -> Bool {
        let next = lseek(descriptor, off_t(range.lowerBound), LinuxConstants.seekData)
        return next < 0 ? errno == ENXIO : UInt64(next) >= range.upperBound
    }

    /// Bytes from `offset` on that the host's filesystem knows to be zero. The last byte is always left to be read, which
    /// tells whether the file still goes so far.
    private func holeLength(at offset: UInt64, atMost limit: Int) -> Int {
        let next = lseek(descriptor, off_t(offset), LinuxConstants.seekData)
        if next < 0 { return errno == ENXIO ? limit - 1 : 0 }
        return UInt64(next) < offset ? 0 : min(limit - 1, Int(clamping: UInt64(next) - offset))
    }

    /// Bytes from `offset` on, at least one, that have to be read to be known.
    private func dataLength(at offset: UInt64, atMost limit: Int) -> Int {
        let next = lseek(descriptor, off_t(offset), LinuxConstants.seekHole)
        guard next > 0, UInt64(next) > offset else { return limit }
        return min(limit, Int(clamping: UInt64(next) - offset))
    }

    /// Reads of less are as quick as asking, in bytes.
    static let leastHole = 64 << 10

    /// Tells the kernel that reads will not follow one another, so that it reads no more than is asked for.
    func expectRandomReads() { posix_fadvise(descriptor, 0, 0, POSIX_FADV_RANDOM) }

    /// Asks the kernel to have a range in memory soon.
    func prefetch(_ length: UInt64, at offset: UInt64) {
        // Of one request the kernel takes what the disk takes at once, or what it reads ahead of itself, and not the rest.
        for start in stride(from: offset, to: offset + length, by: Self.prefetchStep) {
            let step = min(UInt64(Self.prefetchStep), offset + length - start)
            posix_fadvise(descriptor, off_t(start), off_t(step), POSIX_FADV_WILLNEED)
        }
    }

    /// What every disk takes at once, in bytes: the least that the kernel is set to read ahead.
    private static let prefetchStep = 128 << 10

    /// Throws when the file is no longer what was planned. To be called after the last read.
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
    /// Whether it has less on the disk than its size.
    fileprivate var hasHoles: Bool { Int64(st_blocks) < Int64(st_size) / 512 }
}

extension HostFiles.Identity {
    init(_ status: stat) {
        self.init(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: UInt64(max(0, status.st_size)),
            modified: Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec))
    }
}
