/// A 16-byte identifier in the byte order of UEFI: its first three fields are little-endian, the rest big-endian.
public struct GUID: Hashable, Sendable {
    /// The 16 bytes, in the order on the disk.
    public let bytes: [UInt8]

    static let size = 16

    /// Makes an identifier from the first 16 bytes of a collection.
    init(_ bytes: some Collection<UInt8>) { self.bytes = Array(bytes.prefix(Self.size)) }

    /// Whether all bytes are zero, which means "unused".
    var isZero: Bool { bytes.allSatisfy { $0 == 0 } }

    /// The usual notation: `C12A7328-F81F-11D2-BA4B-00A0C93EC93B`.
    public var text: String {
        var text = ""
        for (position, index) in [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].enumerated() {
            if [4, 6, 8, 10].contains(position) { text += "-" }
            let byte = index < bytes.count ? bytes[index] : 0
            text += byte.digits(width: 2, uppercase: true)
        }
        return text
    }
}
