/// The choices for an ext4 filesystem. Everything else is fixed: blocks of 4 KiB, inodes of 256 bytes, and the features
/// in `Ext4Filesystem`.
public struct Ext4Options: Sendable, Hashable {
    /// The volume label, up to 16 bytes.
    public var label: String
    /// The filesystem's UUID: 16 bytes in the order of its text. It is also the seed of the directory hash.
    public var uuid: [UInt8]
    /// The free space for users other than root, in bytes.
    public var slack: UInt64
    /// The per cent of the blocks that only root can use (0 to 50), in addition to `slack`.
    public var reservedPercent: UInt32
    /// The filesystem's size in bytes; `nil` for the smallest possible.
    public var size: UInt64?

    /// The 16 bytes of a UUID of 36 characters; `nil` if the text is not one.
    public static func uuidBytes(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count == 36, [8, 13, 18, 23].allSatisfy({ digits[$0] == UInt8(ascii: "-") }) else { return nil }
        var bytes: [UInt8] = []
        var high: UInt8?
        for (index, digit) in digits.enumerated() where ![8, 13, 18, 23].contains(index) {
            guard let value = Character(UnicodeScalar(digit)).hexDigitValue else { return nil }
            if let first = high {
                bytes.append(first << 4 | UInt8(value))
                high = nil
            } else {
                high = UInt8(value)
            }
        }
        return bytes
    }

    /// The usual form of a UUID's 16 bytes: hexadecimal, lower case, in groups of 8, 4, 4, 4 and 12 digits.
    public static func uuidText(_ bytes: [UInt8]) -> String {
        bytes.enumerated().map { index, byte in
            ([4, 6, 8, 10].contains(index) ? "-" : "") + byte.digits(width: 2)
        }.joined()
    }

    /// See the properties of the same names. Throws `invalidInput` unless `uuid` has 16 bytes that are not all zero,
    /// `label` at most 16, and `reservedPercent` is at most 50.
    public init(
        label: String = "NIXOS_SD", uuid: [UInt8], slack: UInt64 = 64 << 20, reservedPercent: UInt32 = 0,
        size: UInt64? = nil
    ) throws(ImageError) {
        guard label.utf8.count <= 16, !label.utf8.contains(0) else {
            throw ImageError(
                .invalidInput, "the root label '\(label)' is too long",
                reason: "it has \(label.utf8.count) bytes and ext4 takes 16")
        }
        guard uuid.count == 16 else {
            throw ImageError(.invalidInput, "a UUID has 16 bytes", reason: "\(uuid.count) were given")
        }
        guard uuid.contains(where: { $0 != 0 }) else {
            throw ImageError(
                .invalidInput, "the root filesystem's UUID cannot be all zeros", reason: "that means that it has none",
                remedy: "choose another, or 'random'")
        }
        guard reservedPercent <= 50 else {
            throw ImageError(.invalidInput, "at most 50 per cent of a filesystem can be reserved for root")
        }
        self.label = label
        self.uuid = uuid
        self.slack = slack
        self.reservedPercent = reservedPercent
        self.size = size
    }
}
