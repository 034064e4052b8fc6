import Glibc
import SystemPackage

extension Errno {
    /// The error of this thread's last failed system call (`errno`).
    static var current: Errno { Errno(rawValue: errno) }
}
