import Glibc

/// Constants of Linux that glibc declares for GNU sources only, so that Swift does not see them.
///
/// Source: the kernel's headers `include/uapi/`: `asm-generic/fcntl.h`, `linux/fs.h`, `linux/resource.h`,
/// `asm-generic/mman-common.h`.
enum LinuxConstants {
    /// open(2): creates a file without a name (`O_TMPFILE` without the `O_DIRECTORY` that it includes).
    static let temporaryFile: Int32 = 0o20_000_000
    /// lseek(2): the next data (`SEEK_DATA`).
    static let seekData: Int32 = 3
    /// lseek(2): the next hole (`SEEK_HOLE`).
    static let seekHole: Int32 = 4
    /// getrusage(2): the calling thread only (`RUSAGE_THREAD`).
    static let usageOfThread = __rusage_who_t(1)
    /// madvise(2): prefer huge pages (`MADV_HUGEPAGE`).
    static let adviseHugePages: Int32 = 14
}
