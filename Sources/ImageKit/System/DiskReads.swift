import Glibc

/// Tells whether what a thread reads lies in memory already, or comes from a disk: what helps with a cold disk (asking for
/// data before it is needed) would only cost time where nothing is.
///
/// The kernel counts what it reads from disks in the name of a thread, be it for a file, for the program's own code or for
/// memory that was swapped out; a filesystem that has others read for it (FUSE, virtiofs) never looks cold. Time is all that
/// depends on it.
struct DiskReads {
    private let before = Self.count

    /// Whether a disk was read for the calling thread since it made this value.
    var isCold: Bool { Self.count != before }

    /// How many threads may wait for a disk at once: `most`, or fewer where the files that each has open, two, might be more
    /// than may be.
    static func threads(atMost most: Int) -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1 }
        return min(most, max(1, Int(clamping: limit.rlim_cur / 8)))
    }

    /// Blocks of 512 bytes that were read from disks for the calling thread (getrusage(2), `ru_inblock`).
    private static var count: Int {
        var usage = rusage()
        getrusage(LinuxConstants.usageOfThread, &usage)
        return usage.ru_inblock
    }
}
