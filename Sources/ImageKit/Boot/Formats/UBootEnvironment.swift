/// U-Boot's variables: those built into its binary, and those of a file `uboot.env` on the firmware partition, which take
/// their place.
///
/// ```
///   uboot.env (16 KiB)   0    CRC-32 of all that follows, little-endian
///                        4    name=value NUL name=value NUL … NUL NUL, filled up with zeros
/// ```
///
/// Source: U-Boot's documentation, "Environment Variables", and its `env/fat.c`, `env/common.c` for the order of things:
/// nothing of the built-in variables is kept once a file is read, so the file has to have them all. In the binary they lie
/// in the same form, without a sum.
struct UBootEnvironment {
    /// What the Raspberry Pi configurations of U-Boot make of `CONFIG_ENV_SIZE` and `CONFIG_ENV_FAT_FILE`.
    static let fileSize = 0x4000, fileName = "uboot.env"

    private(set) var variables: [(name: String, value: [UInt8])]

    /// Whether a file `uboot.env` has the sum that it says. Configurations that keep two copies have a byte more before the
    /// variables.
    static func isSound(_ file: [UInt8]) -> Bool {
        guard let sum: UInt32 = file.load(at: 0), file.count > 5 else { return false }
        return sum == CRC32.of(file[4...]) || sum == CRC32.of(file[5...])
    }

    /// The variables that are built into U-Boot's binary; `nil` where there are none that look like it.
    init?(builtInto binary: [UInt8]) {
        // An address that all of them have, and where a text cannot begin by chance.
        guard let hit = Self.index(of: Array("\0ramdisk_addr_r=".utf8), in: binary) else { return nil }
        var start = hit + 1
        // Back to where what is before is no variable any more.
        while start > 1 {
            let before = binary[..<(start - 1)].lastIndex(of: 0).map { $0 + 1 } ?? 0
            guard Self.variable(binary[before..<(start - 1)]) != nil else { break }
            start = before
        }
        variables = []
        while start < binary.count, let end = binary[start...].firstIndex(of: 0),
            let variable = Self.variable(binary[start..<end])
        {
            variables.append(variable)
            start = end + 1
        }
    }

    /// A text `name=value`; `nil` where it is something else.
    private static func variable(_ text: ArraySlice<UInt8>) -> (name: String, value: [UInt8])? {
        guard let equals = text.firstIndex(of: UInt8(ascii: "=")), equals > text.startIndex else { return nil }
        let name = text[..<equals]
        let isName = name.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "#"):
                true
            default: false
            }
        }
        guard isName, text.allSatisfy({ $0 >= 0x20 && $0 < 0x7F || $0 == 0x0A || $0 == 0x09 }) else { return nil }
        return (String(decoding: name, as: UTF8.self), Array(text[(equals + 1)...]))
    }

    private static func index(of pattern: [UInt8], in bytes: [UInt8]) -> Int? {
        guard let first = pattern.first, bytes.count >= pattern.count else { return nil }
        return (0...(bytes.count - pattern.count)).first { index in
            bytes[index] == first && bytes[index..<(index + pattern.count)].elementsEqual(pattern)
        }
    }

    /// A variable that holds an address.
    private func address(_ name: String) -> UInt64? {
        guard let value = variables.last(where: { $0.name == name })?.value else { return nil }
        let text = String(decoding: value, as: UTF8.self)
        return UInt64(text.hasPrefix("0x") ? String(text.dropFirst(2)) : text, radix: 16)
    }

    // MARK: Load addresses

    /// The kernel's address, and where what lies behind it begins.
    struct Room: Equatable {
        var kernel: UInt64
        var end: UInt64

        /// What U-Boot 2023.01 and its neighbours have for the Raspberry Pi.
        static let usual = Room(kernel: 0x80000, end: 0x260_0000)

        private static let alignment: UInt64 = 2 << 20

        /// Whether U-Boot can load a kernel there and move it to where it runs, without overwriting what it loaded before:
        /// the device tree and the initial RAM disk.
        func holds(_ image: KernelImage) -> Bool {
            guard kernel < 1 << 40, image.memorySize < 1 << 40, image.fileSize < 1 << 40, image.textOffset < 1 << 40
            else { return false }
            let loaded = kernel + image.fileSize
            // 'booti' moves it to the next boundary.
            let moved = kernel.roundedUp(to: Self.alignment) + image.textOffset + image.memorySize
            return max(loaded, moved) <= end
        }

        /// The most memory that a kernel may take there.
        var limit: UInt64 {
            let start = kernel.roundedUp(to: Self.alignment)
            return end > start ? end - start : 0
        }
    }

    /// The room for a kernel between the addresses; `nil` where they cannot be told.
    var room: Room? {
        guard let kernel = address("kernel_addr_r"), kernel < 1 << 40 else { return nil }
        let behind = ["fdt_addr_r", "ramdisk_addr_r"].compactMap(address).filter { $0 > kernel }
        return behind.min().map { Room(kernel: kernel, end: $0) }
    }

    /// Moves what lies behind the kernel to where it is out of the way of any kernel: 222 MiB are free then, and the
    /// initial RAM disk still fits into the smallest board's 512 MiB.
    mutating func makeRoom() {
        for (name, address) in [
            ("scriptaddr", "0x0e000000"), ("pxefile_addr_r", "0x0e100000"), ("fdt_addr_r", "0x0f000000"),
            ("ramdisk_addr_r", "0x10000000"),
        ] {
            variables.removeAll { $0.name == name }
            variables.append((name, Array(address.utf8)))
        }
    }

    /// The file; `nil` where the variables do not fit, or one is missing without which U-Boot would stop at its prompt.
    func encoded() -> [UInt8]? {
        guard ["bootcmd", "kernel_addr_r"].allSatisfy({ name in variables.contains { $0.name == name } }) else {
            return nil
        }
        var text: [UInt8] = []
        for (name, value) in variables { text += Array(name.utf8) + [UInt8(ascii: "=")] + value + [0] }
        guard text.count < Self.fileSize - 5 else { return nil }
        var file = [UInt8](repeating: 0, count: Self.fileSize)
        file.store(bytes: text, at: 4)
        file.store(CRC32.of(file[4...]), at: 0)
        return file
    }
}
