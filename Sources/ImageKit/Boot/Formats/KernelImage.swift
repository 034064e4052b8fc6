/// The header of an arm64 kernel (`Image`), which says how much memory the kernel needs.
///
/// ```
///   0    code0, code1          8 bytes
///   8    text_offset           bytes from a 2 MiB boundary
///   16   image_size            bytes in memory, including zero-initialised data (.bss)
///   24   flags                 bit 3: the kernel may be anywhere in memory
///   56   "ARM\x64"
/// ```
///
/// Source: Linux, Documentation/arch/arm64/booting.rst, "Call the kernel image".
struct KernelImage {
    /// Offsets in the header, in bytes.
    enum Field {
        static let textOffset = 8
        static let imageSize = 16
        static let flags = 24
        static let magic = 56..<60
    }

    static let magic = Array("ARM\u{64}".utf8)
    /// The length of the header in bytes.
    static let headLength = 64

    /// The offset of the running kernel from a 2 MiB boundary in memory, in bytes.
    let textOffset: UInt64
    /// The bytes that the kernel takes in memory, including zero-initialised data.
    let memorySize: UInt64
    /// The bytes of the file.
    let fileSize: UInt64

    /// Reads a header; `nil` if the file is of another kind, such as a compressed or a 32-bit kernel.
    init?(head: [UInt8], fileSize: UInt64) {
        guard head.count >= Self.headLength, Array(head[Field.magic]) == Self.magic,
            let textOffset: UInt64 = head.load(at: Field.textOffset),
            let memorySize: UInt64 = head.load(at: Field.imageSize)
        else { return nil }
        self.textOffset = textOffset
        self.memorySize = memorySize
        self.fileSize = fileSize
    }
}
