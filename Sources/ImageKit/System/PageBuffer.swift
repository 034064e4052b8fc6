import Glibc

/// Memory that is freed with this value.
struct PageBuffer: ~Copyable {
    /// The memory. It is not initialized.
    let bytes: UnsafeMutableRawBufferPointer

    /// Size of a huge page on x86-64 and AArch64 (with base pages of 4 KiB), in bytes.
    static let hugePage = 2 << 20

    /// - Parameters:
    ///   - count: bytes.
    ///   - alignment: a power of two, in bytes; usually the size of a page.
    init(count: Int, alignment: Int = 4096) {
        bytes = .allocate(byteCount: count, alignment: alignment)
    }

    deinit { bytes.deallocate() }

    /// The first `count` bytes.
    func prefix(_ count: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
    }

    /// Asks the kernel for huge pages. They cost it much less where every page is going to be written. A kernel without
    /// huge pages ignores this.
    static func preferHugePages(_ start: UnsafeMutableRawPointer, _ length: Int) {
        madvise(start, length, LinuxConstants.adviseHugePages)
    }
}
