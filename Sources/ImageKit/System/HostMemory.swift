import Glibc
import SystemPackage

/// The memory of this machine that this process may use.
enum HostMemory {
    /// Bytes that may be used to save time: memory that is free or used by caches (proc(5), `MemAvailable`), within the
    /// limits of the control groups.
    ///
    /// Zero if the system does not report it, or if the address space is limited, because threads need much of that.
    static var spare: UInt64 {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit) == 0, limit.rlim_cur == .max else {
            return 0
        }
        guard let text = try? WholeFile.read("/proc/meminfo", atMost: 1 << 16) else { return 0 }
        for line in text.split(separator: UInt8(ascii: "\n")) where line.starts(with: "MemAvailable:".utf8) {
            let number = line.drop { !(0x30...0x39).contains($0) }.prefix { (0x30...0x39).contains($0) }
            let available = (UInt64(String(decoding: number, as: UTF8.self)) ?? 0).multipliedClamping(by: 1024)
            let groups = (try? WholeFile.read("/proc/self/cgroup", atMost: 1 << 16)) ?? []
            return min(available, ControlGroup(groups)?.spare ?? .max)
        }
        return 0
    }
}
