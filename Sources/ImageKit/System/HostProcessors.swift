import Glibc
import SystemPackage

/// The processors of this machine, as far as this process may use them.
enum HostProcessors {
    /// How many there are: of those at work, taskset(1) or a container may leave a part (proc(5), `Cpus_allowed` in
    /// `/proc/self/status`).
    static var count: Int {
        let online = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        guard online > 1, let text = try? WholeFile.read("/proc/self/status", atMost: 1 << 16) else { return online }
        let allowed = allowed(in: text)
        return allowed > 0 ? min(online, allowed) : online
    }

    /// The processors that a status names: the ones of a mask of hexadecimal digits, in groups. Zero where it names none.
    static func allowed(in status: [UInt8]) -> Int {
        let key = Array("Cpus_allowed:".utf8)
        guard let line = status.split(separator: UInt8(ascii: "\n")).first(where: { $0.starts(with: key) }) else {
            return 0
        }
        return line.dropFirst(key.count).reduce(0) { sum, digit in
            sum + (Character(UnicodeScalar(digit)).hexDigitValue ?? 0).nonzeroBitCount
        }
    }

    /// Threads that are of use: one a processor, but no more than fit the memory that is free, where that is known.
    static var usefulThreads: Int {
        let count = count, spare = HostMemory.spare
        // What a build takes whatever their number is little beside them.
        return spare == 0 ? count : min(count, max(1, Int(clamping: spare / memoryOfThread)))
    }

    /// What a thread takes at the most in frames of the usual size, and in zstd's tables, in bytes.
    private static let memoryOfThread: UInt64 = 128 << 20
}
