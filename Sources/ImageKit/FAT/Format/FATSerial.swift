/// A volume's serial number, a field of 32 bits in the boot sector.
enum FATSerial {
    /// The number as Linux shows it, where it serves as the filesystem's UUID: `2178-694E`.
    static func text(_ serial: UInt32) -> String {
        (serial >> 16).digits(width: 4, uppercase: true) + "-" + (serial & 0xFFFF).digits(width: 4, uppercase: true)
    }
}
