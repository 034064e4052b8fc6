/// The header of a frame.
///
/// ```
///   u32 0xFD2FB528 | u8 descriptor | [u8 window] | [0–4 dictionary] | [0–8 content size] | blocks … | [u32 checksum]
///                    │ bits 7–6 length of the content size (0: none, or 1 with bit 5; 2 (plus 256); 4; 8)
///                    │ bit 5 one segment, no window   bit 3 must be 0   bit 2 checksum   bits 1–0 dictionary ID's size
///   u32 0x184D2A50…5F | u32 length | bytes that decoders ignore (a skippable frame)
/// ```
///
/// Source: RFC 8878, section 3.1.
enum ZstdFrameHeader: Equatable {
    /// A frame with content. `length` is the length of its header in bytes; a missing `contentSize` is not recorded.
    case frame(length: Int, contentSize: UInt64?, hasChecksum: Bool)
    /// A frame that decoders ignore. `length` is the length of the whole frame in bytes.
    case skippable(length: UInt64)

    static let magic: UInt32 = 0xFD2F_B528
    /// The magic numbers of skippable frames differ in the lowest four bits.
    static let skippableMagic: UInt32 = 0x184D_2A50, skippableMask: UInt32 = 0xFFFF_FFF0
    /// The longest header, in bytes.
    static let maximumLength = 18
    /// Bytes of a skippable frame before its content, and of the checksum at the end of a frame.
    static let skippableHeaderSize = 8, checksumLength = 4

    /// Offsets in a header.
    enum Field {
        static let magic = 0
        static let descriptor = 4
        /// Of a frame that is not a single segment; otherwise the next field begins here.
        static let window = 5
        /// The length of a skippable frame's content.
        static let skippableContentLength = 4
    }

    /// Masks, and one shift, of the descriptor.
    enum Descriptor {
        static let dictionaryIDSize: UInt8 = 0x03
        static let hasChecksum: UInt8 = 0x04
        static let reserved: UInt8 = 0x08
        static let isSingleSegment: UInt8 = 0x20
        /// The lowest bit of the content size's length.
        static let contentSizeShift: UInt8 = 6
    }

    /// Whether a file that begins with these bytes is compressed with zstd.
    static func isZstd(_ bytes: some Collection<UInt8>) -> Bool {
        guard let number: UInt32 = Array(bytes.prefix(4)).load(at: Field.magic) else { return false }
        return number == magic || number & skippableMask == skippableMagic
    }

    /// Reads a header; `nil` if the bytes are no header, or end inside it.
    init?(_ bytes: some Collection<UInt8>) {
        let bytes = Array(bytes.prefix(Self.maximumLength))
        guard Self.isZstd(bytes), let number: UInt32 = bytes.load(at: Field.magic) else { return nil }
        if number != Self.magic {
            guard let length: UInt32 = bytes.load(at: Field.skippableContentLength) else { return nil }
            self = .skippable(length: UInt64(Self.skippableHeaderSize) + UInt64(length))
            return
        }
        guard let descriptor: UInt8 = bytes.load(at: Field.descriptor), descriptor & Descriptor.reserved == 0 else {
            return nil
        }
        let isSingle = descriptor & Descriptor.isSingleSegment != 0
        let dictionaryIDSize = [0, 1, 2, 4][Int(descriptor & Descriptor.dictionaryIDSize)]
        let sizeOffset = Field.window + (isSingle ? 0 : 1) + dictionaryIDSize
        let size: UInt64?
        let width: Int
        switch descriptor >> Descriptor.contentSizeShift {
        case 0:
            width = isSingle ? 1 : 0
            size = isSingle ? bytes.load(UInt8.self, at: sizeOffset).map { UInt64($0) } : nil
        case 1:
            width = 2
            size = bytes.load(UInt16.self, at: sizeOffset).map { UInt64($0) + 256 }
        case 2:
            width = 4
            size = bytes.load(UInt32.self, at: sizeOffset).map { UInt64($0) }
        default:
            width = 8
            size = bytes.load(UInt64.self, at: sizeOffset)
        }
        guard sizeOffset + width <= bytes.count else { return nil }
        self = .frame(
            length: sizeOffset + width, contentSize: size, hasChecksum: descriptor & Descriptor.hasChecksum != 0)
    }

    /// The bytes of content that a decoder must keep to decompress a frame; `nil` if the bytes are no header of a
    /// frame.
    ///
    /// ```
    ///   window byte: bits 7–3 power of two, from 1 KiB on | bits 2–0 eighths of it that are added
    /// ```
    static func windowSize(_ bytes: some Collection<UInt8>) -> UInt64? {
        let bytes = Array(bytes.prefix(maximumLength))
        guard case .frame(_, let size, _)? = ZstdFrameHeader(bytes),
            let descriptor: UInt8 = bytes.load(at: Field.descriptor), let window: UInt8 = bytes.load(at: Field.window)
        else { return nil }
        if descriptor & Descriptor.isSingleSegment != 0 { return size }
        let exponent = 10 + UInt64(window >> 3)
        let power: UInt64 = 1 << exponent
        return power + power / 8 * UInt64(window & 7)
    }
}
