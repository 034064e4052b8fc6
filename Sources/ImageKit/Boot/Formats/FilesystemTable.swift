/// `fstab`: the filesystems that a system mounts.
///
/// ```
///   /dev/disk/by-label/NIXOS_SD  /  ext4  x-initrd.mount  0 1
///   source                       mount point  type  options …        (spaces in a word are \040)
/// ```
///
/// Source: fstab(5). `/dev/disk/by-…` are udev's links, in which special characters are escaped as in `\x20`.
struct FilesystemTable {
    /// One line: a filesystem and its mount point.
    struct Mount: Equatable {
        var source: String, mountPoint: String, type: String
    }

    /// The property by which a mount finds its filesystem.
    enum Identity: Equatable {
        case label(String), uuid(String), partitionUUID(String)
    }

    let mounts: [Mount]

    init(_ text: String) {
        mounts = text.split(whereSeparator: \.isNewline).compactMap { line in
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count >= 3, words[0].first != "#" else { return nil }
            return Mount(
                source: Self.unescaped(words[0]), mountPoint: Self.unescaped(words[1]), type: String(words[2]))
        }
    }

    /// The property that a mount's source names; `nil` if it names a device or something else.
    static func identity(of source: String) -> Identity? {
        for (prefix, make) in [
            ("/dev/disk/by-label/", Identity.label), ("LABEL=", Identity.label),
            ("/dev/disk/by-uuid/", Identity.uuid), ("UUID=", Identity.uuid),
            ("/dev/disk/by-partuuid/", Identity.partitionUUID), ("PARTUUID=", Identity.partitionUUID),
        ] as [(String, (String) -> Identity)] where source.hasPrefix(prefix) {
            let name = String(source.dropFirst(prefix.count))
            return make(prefix.hasPrefix("/") ? unescaped(name[...], digits: 2, radix: 16, after: "\\x") : name)
        }
        return nil
    }

    private static func unescaped(_ word: Substring) -> String { unescaped(word, digits: 3, radix: 8, after: "\\") }

    /// Replaces escape sequences by the bytes that they stand for. A sequence is `mark` and a number of exactly
    /// `digits` digits.
    private static func unescaped(_ word: Substring, digits: Int, radix: Int, after mark: String) -> String {
        var rest = Array(word.utf8)[...]
        var bytes: [UInt8] = []
        while let byte = rest.first {
            let code = rest.dropFirst(mark.utf8.count).prefix(digits)
            // Swift parses numbers with a sign, but a sign is no digit.
            if rest.starts(with: mark.utf8), code.count == digits, code.first.map({ $0 >= 0x30 }) == true,
                let value = UInt8(String(decoding: code, as: UTF8.self), radix: radix)
            {
                bytes.append(value)
                rest = rest.dropFirst(mark.utf8.count + digits)
            } else {
                bytes.append(byte)
                rest = rest.dropFirst()
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
