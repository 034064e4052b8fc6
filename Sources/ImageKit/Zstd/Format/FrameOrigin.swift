/// How the frames of an image were made. The image records it: frames can be copied into another image only if all of
/// it is the same there.
///
/// ```
///   u32 0x184D2A5D | u32 length | text: "mkpiimg-frames 1\nzstd 1.5.4\nlevel 3\nframe-size 8388608\n…"
/// ```
///
/// A skippable frame of the zstd format, directly before the seek table. Decoders ignore it.
struct FrameOrigin: Sendable, Hashable {
    static let magic: UInt32 = 0x184D_2A5D
    /// The version of the rule that orders content and cuts frames.
    static let version = 2

    var parameters: ZstdParameters
    /// The frame size that was aimed at, in bytes.
    var frameSize: UInt64

    /// The skippable frame.
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
