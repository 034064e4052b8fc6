/// What can be chosen of an ext4 filesystem. Everything else is fixed: 4 KiB blocks, 256-byte inodes, and the features in
/// `Ext4Filesystem`.
public struct Ext4Options: Sendable, Hashable {
    /// The volume label, up to 16 bytes.
    public var label: String
    /// The filesystem's UUID, 16 bytes as they are written out; also the seed of the directory hash.
    public var uuid: [UInt8]
    /// Bytes that a user other than root can still write.
    public var slack: UInt64
    /// Per cent of the blocks that only root can use (0 to 50), on top of `slack`.
    public var reservedPercent: UInt32
    /// The filesystem's size in bytes; `nil` is just what is needed.
    public var size: UInt64?

    /// A 36-character UUID as 16 bytes; `nil` where it is none.
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

    /// See the properties of the same names. `uuid` must have 16 bytes, not all zero, `label` at most 16, and
    /// `reservedPercent` is at most 50; anything else is an error.
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
