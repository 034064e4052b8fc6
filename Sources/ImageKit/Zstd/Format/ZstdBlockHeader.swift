/// The header of a block in a frame.
///
/// ```
///   u24   bit 0: last block   bits 1–2: type   bits 3–23: size in bytes
/// ```
///
/// Source: RFC 8878, section 3.1.1.2.
struct ZstdBlockHeader {
    /// How a block stores its content.
    enum BlockType: UInt32 {
        /// The content itself, uncompressed.
        case raw
        /// One byte, which is repeated: the size in the header is the number of times.
        case repeated
        case compressed
        /// No decoder accepts it.
        case reserved
    }

    /// Bytes of the header.
    static let length = 3

    /// Whether no block follows in the frame.
    let isLast: Bool
    let type: BlockType
    /// Bytes of the block in the file that follow the header.
    let storedLength: UInt32

    /// Reads a header; `nil` if the bytes end inside it.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.length else { return nil }
        let value = UInt32(bytes[0]) | UInt32(bytes[1]) << 8 | UInt32(bytes[2]) << 16
        isLast = value & 1 != 0
        type = BlockType(rawValue: value >> 1 & 3) ?? .reserved
        storedLength = type == .repeated ? 1 : value >> 3
    }
}
