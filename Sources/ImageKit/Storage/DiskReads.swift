#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Tells whether what a thread reads lies in memory already, or comes from a disk: what helps with a cold disk (asking for
/// data before it is needed) would only cost time where nothing is.
struct DiskReads {
    private var seen: Int
    /// Whether the disk was read since this value was made.
    private(set) var isCold = false

    /// Begins to look at the calling thread, which must be the one that calls ``look()``.
    init() { seen = Self.count }

    /// Whether the disk had to be read for this thread, now or since this value was made.
    mutating func look() -> Bool {
        if !isCold { isCold = Self.count != seen }
        return isCold
    }

    /// Blocks of 512 bytes that were read from disks for the calling thread (getrusage(2), `ru_inblock`).
    private static var count: Int {
        var usage = rusage()
        // RUSAGE_THREAD, which glibc only shows to GNU sources.
        #if canImport(Glibc)
            getrusage(__rusage_who_t(1), &usage)
        #else
            getrusage(1, &usage)
        #endif
        return usage.ru_inblock
    }
}
