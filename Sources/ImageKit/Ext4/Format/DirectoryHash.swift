import CExt2FS

/// The hash that orders a directory's names in its index. Filesystems that this library makes use half of MD4, with the
/// filesystem's seed, over unsigned characters. A flag in the superblock says so, on every machine.
struct DirectoryHash {
    /// Half MD4 in the superblock and in the root of an index.
    static let versionOnDisk: UInt8 = 1
    /// The same over unsigned characters, as `ext2fs_dirhash2` numbers it.
    static let versionUnsigned: Int32 = 4

    private let version: Int32
    private var seed: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)

    /// - Parameters:
    ///   - bytes: the 16 bytes of `s_hash_seed`.
    ///   - version: as `ext2fs_dirhash2` numbers it: 0 to 2, and 3 to 5 for the same over unsigned characters.
    init(seed bytes: [UInt8], version: Int32 = versionUnsigned) {
        self.version = version
        seed = (
            bytes.load(at: 0) ?? 0, bytes.load(at: 4) ?? 0, bytes.load(at: 8) ?? 0, bytes.load(at: 12) ?? 0
        )
    }

    /// The hash of a name. Its lowest bit is 0, as the index uses that bit. It is never the value that means "end".
    func callAsFunction(_ name: ArraySlice<UInt8>) throws(ImageError) -> UInt32 {
        var major: ext2_dirhash_t = 0
        var minor: ext2_dirhash_t = 0
        var seed = seed
        let code = withUnsafeMutableBytes(of: &seed) { seedBytes in
            name.withUnsafeBytes { bytes in
                ext2fs_dirhash2(
                    version, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count), nil, 0,
                    seedBytes.baseAddress?.assumingMemoryBound(to: UInt32.self), &major, &minor)
            }
        }
        guard code == 0 else { throw .ext2(code, "cannot hash a name") }
        let hash = major & ~1
        // The kernel reserves 0xfffffffe for the end of a directory, and moves names that hash to it.
        return hash == 0xFFFF_FFFE ? 0xFFFF_FFFC : hash
    }
}
