/// The settings with which the frames of an image were made. The image records them, because frames can be copied into
/// another image only if all settings are the same there.
///
/// ```
///   u32 0x184D2A5D | u32 length | text: "mkpiimg-frames 2\nzstd 1.5.4\nlevel 3\nframe-size 8388608\n…"
/// ```
///
/// The record is a skippable frame of the zstd format, directly before the seek table. Decoders ignore it. Numbers are
/// little-endian, and the length is that of the text in bytes.
struct FrameOrigin: Sendable, Hashable {
    static let magic: UInt32 = 0x184D_2A5D
    /// The version of the rules that order the content and select the ends of frames.
    static let version = 2

    var parameters: ZstdParameters
    /// The intended size of a frame, in uncompressed bytes.
    var frameSize: UInt64

    /// The bytes of the skippable frame.
    func encoded() -> [UInt8] {
        var lines = [
            "mkpiimg-frames \(Self.version)", "zstd \(ZstdParameters.libraryVersion)", "level \(parameters.level)",
            "frame-size \(frameSize)",
        ]
        lines += parameters.settings.map { "\($0.name) \($0.value)" }
        if parameters.findsLongMatches { lines.append("long-distance where gathered") }
        let text = lines.map { $0 + "\n" }.joined()
        var bytes: [UInt8] = []
        bytes.append(littleEndian: Self.magic)
        bytes.append(littleEndian: UInt32(text.utf8.count))
        return bytes + Array(text.utf8)
    }
}
