import Glibc

/// Counts a thread's reads from disks, to tell whether its data comes from a disk or from the page cache.
///
/// Read-ahead helps on a cold cache and only costs time on a warm one.
///
/// The kernel counts all disk reads on behalf of a thread: of files, of the program's code, of swapped memory. FUSE and
/// virtiofs read in another process, so they never look cold. A wrong answer costs time, never correctness.
struct DiskReads {
    private let before = Self.count

    /// Whether the calling thread has read from a disk since it made this value.
    var isCold: Bool { Self.count != before }

    /// The number of threads that may wait for a disk at once: `maximum`, or fewer if the limit of open files is low.
    /// Each thread opens two files.
    static func threads(atMost maximum: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1 }
        return min(maximum, max(1, Int(clamping: limit.rlim_cur / 8)))
    }

    /// Blocks of 512 bytes that were read from disks for the calling thread (getrusage(2), `ru_inblock`).
    private static var count: Int {
        var usage = rusage()
        getrusage(LinuxConstants.usageOfThread, &usage)
        return usage.ru_inblock
    }
}
