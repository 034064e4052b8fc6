/// How an image's frames were made, recorded in the image: frames may be taken over into another image only where all of
/// it is the same.
///
/// ```
///   u32 0x184D2A5D | u32 length | text: "mkpiimg-frames 1\nzstd 1.5.4\nlevel 3\nframe-size 8388608\n…"
/// ```
///
/// A skippable frame of zstd's format, right before the seek table; decoders step over it.
struct FrameOrigin: Sendable, Hashable {
    static let magic: UInt32 = 0x184D_2A5D
    /// The version of the rule by which frames are cut and content is placed.
    static let version = 2

    var parameters: ZstdParameters
    var frameSize: UInt64

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
