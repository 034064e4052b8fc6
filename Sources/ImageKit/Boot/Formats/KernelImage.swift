/// What the head of an arm64 kernel (`Image`) says about where it wants to lie in memory.
///
/// ```
///   0    code0, code1          8 bytes
///   8    text_offset           bytes from a 2 MiB boundary
///   16   image_size            bytes in memory, with what is zero (.bss)
///   24   flags                 bit 3: anywhere in memory
///   56   "ARM\x64"
/// ```
///
/// Source: Linux, Documentation/arch/arm64/booting.rst, "Call the kernel image".
struct KernelImage {
    /// Bytes of the head.
    static let headLength = 64

    let textOffset: UInt64
    /// Bytes that it takes in memory.
    let memorySize: UInt64
    /// Bytes of the file.
    let fileSize: UInt64

    /// `nil` where it is no such kernel: a compressed one, or one for 32 bits.
    init?(head: [UInt8], fileSize: UInt64) {
        guard head.count >= Self.headLength, Array(head[56..<60]) == Array("ARM\u{64}".utf8),
            let textOffset: UInt64 = head.load(at: 8), let memorySize: UInt64 = head.load(at: 16)
        else { return nil }
        self.textOffset = textOffset
        self.memorySize = memorySize
        self.fileSize = fileSize
    }
}
