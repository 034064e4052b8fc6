/// The head of a frame.
///
/// ```
///   u32 0xFD2FB528 | u8 descriptor | [u8 window] | [0–4 dictionary] | [0–8 content size] | blocks … | [u32 checksum]
///                    │ bits 7–6 content size's length (0: none, or 1 with bit 5; 2 (plus 256); 4; 8)
///                    │ bit 5 one segment, no window   bit 3 must be 0   bit 2 checksum   bits 1–0 dictionary's length
///   block: u24 last (bit 0), kind (bits 1–2: stored, one byte repeated, compressed), length (the rest) | bytes
///   u32 0x184D2A50…5F | u32 length | bytes that decoders step over
/// ```
///
/// Source: RFC 8878, section 3.1.
enum ZstdFrameHeader: Equatable {
    case frame(length: Int, contentSize: UInt64?, hasChecksum: Bool)
    case skippable(length: UInt64)

    static let magic: UInt32 = 0xFD2F_B528
    /// The most bytes that a head has.
    static let maximum = 18

    /// Whether a file that begins so is compressed with zstd.
    static func isZstd(_ bytes: some Collection<UInt8>) -> Bool {
        guard let number: UInt32 = Array(bytes.prefix(4)).load(at: 0) else { return false }
        return number == magic || number & 0xFFFF_FFF0 == 0x184D_2A50
    }

    /// Reads a head; `nil` where the bytes end inside it or are none.
    init?(_ bytes: some Collection<UInt8>) {
        let bytes = Array(bytes.prefix(Self.maximum))
        guard Self.isZstd(bytes), let number: UInt32 = bytes.load(at: 0) else { return nil }
        if number != Self.magic {
            guard let length: UInt32 = bytes.load(at: 4) else { return nil }
            self = .skippable(length: 8 + UInt64(length))
            return
        }
        guard let descriptor: UInt8 = bytes.load(at: 4), descriptor & 0x08 == 0 else { return nil }
        let isSingle = descriptor & 0x20 != 0
        let place = 5 + (isSingle ? 0 : 1) + [0, 1, 2, 4][Int(descriptor & 3)]
        let size: UInt64?
        let width: Int
        switch descriptor >> 6 {
        case 0:
            width = isSingle ? 1 : 0
            size = isSingle ? bytes.load(UInt8.self, at: place).map { UInt64($0) } : nil
        case 1:
            width = 2
            size = bytes.load(UInt16.self, at: place).map { UInt64($0) + 256 }
        case 2:
            width = 4
            size = bytes.load(UInt32.self, at: place).map { UInt64($0) }
        default:
            width = 8
            size = bytes.load(UInt64.self, at: place)
        }
        guard place + width <= bytes.count else { return nil }
        self = .frame(length: place + width, contentSize: size, hasChecksum: descriptor & 4 != 0)
    }

    /// The bytes of content that a decoder must keep at hand for a frame; `nil` where the head is none of a frame.
    ///
    /// ```
    ///   window byte: bits 7–3 power of two, from 1 KiB on | bits 2–0 eighths of that which are added
    /// ```
    static func window(_ bytes: some Collection<UInt8>) -> UInt64? {
        let bytes = Array(bytes.prefix(maximum))
        guard case .frame(_, let size, _)? = ZstdFrameHeader(bytes), let descriptor: UInt8 = bytes.load(at: 4),
            let window: UInt8 = bytes.load(at: 5)
        else { return nil }
        if descriptor & 0x20 != 0 { return size }
        let exponent = 10 + UInt64(window >> 3)
        let power: UInt64 = 1 << exponent
        return power + power / 8 * UInt64(window & 7)
    }
}
