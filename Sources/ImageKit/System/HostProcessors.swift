import Glibc
import SystemPackage

/// The processors of this machine that this process may use.
enum HostProcessors {
    /// The number of online processors that this process may use. taskset(1) or a container may restrict them (proc(5),
    /// `Cpus_allowed` in `/proc/self/status`).
    static var count: Int {
        let online = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        guard online > 1, let text = try? WholeFile.read("/proc/self/status", atMost: 1 << 16) else { return online }
        let allowed = allowed(in: text)
        return allowed > 0 ? min(online, allowed) : online
    }

    /// The number of processors that a status allows: the bits of a mask of hexadecimal digits, in groups. Zero if it
    /// has no mask.
    static func allowed(in status: [UInt8]) -> Int {
        let key = Array("Cpus_allowed:".utf8)
        guard let line = status.split(separator: UInt8(ascii: "\n")).first(where: { $0.starts(with: key) }) else {
            return 0
        }
        return line.dropFirst(key.count).reduce(0) { sum, digit in
            sum + (Character(UnicodeScalar(digit)).hexDigitValue ?? 0).nonzeroBitCount
        }
    }

    /// The default number of threads: one per processor, but no more than the free memory allows, if that is known.
    static var usefulThreads: Int {
        let count = count, spare = HostMemory.spare
        // A build needs little memory besides that of its threads.
        return spare == 0 ? count : min(count, max(1, Int(clamping: spare / memoryPerThread)))
    }

    /// The maximum memory of a thread, in bytes: frames of the default size, and zstd's tables.
    private static let memoryPerThread: UInt64 = 128 << 20
}
