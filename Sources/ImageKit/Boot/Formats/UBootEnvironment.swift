/// U-Boot's variables: those built into its binary, or those of a file `uboot.env` on the firmware partition, which
/// replaces them.
///
/// ```
///   uboot.env (16 KiB)   0    CRC-32 of the rest of the file, little-endian
///                        4    name=value NUL name=value NUL … NUL NUL, padded with zeros
/// ```
///
/// After U-Boot has read the file, it keeps no built-in variable, so the file must have all of them. The binary has the
/// variables in the same form, without a checksum. Sources: U-Boot's documentation, "Environment Variables", and its
/// `env/fat.c` and `env/common.c`.
struct UBootEnvironment {
    /// `CONFIG_ENV_SIZE` (bytes) and `CONFIG_ENV_FAT_FILE` of U-Boot's Raspberry Pi configurations.
    static let fileSize = 0x4000, fileName = "uboot.env"

    /// Offsets in the file, in bytes.
    enum Field {
        static let checksum = 0
        static let variables = 4
        /// The variables in configurations that keep two copies: a byte of flags comes before them.
        static let redundantVariables = 5
    }

    /// The variables in the order of the file.
    private(set) var variables: [(name: String, value: [UInt8])]

    /// Whether the checksum of a file `uboot.env` is right, with or without a byte of flags.
    static func isSound(_ file: [UInt8]) -> Bool {
        guard let checksum: UInt32 = file.load(at: Field.checksum), file.count > Field.redundantVariables else {
            return false
        }
        return checksum == CRC32.of(file[Field.variables...])
            || checksum == CRC32.of(file[Field.redundantVariables...])
    }

    /// Finds the variables in U-Boot's binary; `nil` if it has none.
    init?(builtInto binary: [UInt8]) {
        // All configurations have this variable. The zero before it excludes other texts that contain the name.
        guard let hit = Self.index(of: Array("\0ramdisk_addr_r=".utf8), in: binary) else { return nil }
        var start = hit + 1
        // Walk back to the first variable.
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

    /// Parses `name=value`; `nil` for any other text.
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

    /// The index of the first occurrence of a pattern.
    private static func index(of pattern: [UInt8], in bytes: [UInt8]) -> Int? {
        guard let first = pattern.first, bytes.count >= pattern.count else { return nil }
        return (0...(bytes.count - pattern.count)).first { index in
            bytes[index] == first && bytes[index..<(index + pattern.count)].elementsEqual(pattern)
        }
    }

    /// The address in a variable, in hexadecimal digits; `nil` if it is missing or is not an address.
    private func address(_ name: String) -> UInt64? {
        guard let value = variables.last(where: { $0.name == name })?.value else { return nil }
        let text = String(decoding: value, as: UTF8.self)
        return UInt64(text.hasPrefix("0x") ? String(text.dropFirst(2)) : text, radix: 16)
    }

    // MARK: Load addresses

    /// The memory between the kernel's load address and the next file that U-Boot loads.
    struct Room: Equatable {
        /// The load address of the kernel.
        var kernel: UInt64
        /// The load address of the next file after the kernel.
        var end: UInt64

        /// The addresses in U-Boot 2023.01 and similar versions for the Raspberry Pi.
        static let usual = Room(kernel: 0x80000, end: 0x260_0000)

        private static let alignment: UInt64 = 2 << 20

        /// Whether U-Boot can load a kernel there and move it to its final address without overwriting the device tree
        /// and the initial RAM disk, which U-Boot has loaded before.
        func holds(_ image: KernelImage) -> Bool {
            guard kernel < 1 << 40, image.memorySize < 1 << 40, image.fileSize < 1 << 40, image.textOffset < 1 << 40
            else { return false }
            let loaded = kernel + image.fileSize
            // 'booti' moves the kernel to its text offset after the next boundary of 2 MiB.
            let moved = kernel.roundedUp(to: Self.alignment) + image.textOffset + image.memorySize
            return max(loaded, moved) <= end
        }

        /// The memory for the largest kernel that fits, in bytes, including its text offset.
        var capacity: UInt64 {
            let start = kernel.roundedUp(to: Self.alignment)
            return end > start ? end - start : 0
        }
    }

    /// The room for a kernel; `nil` if the kernel's address is missing or no address is after it.
    var room: Room? {
        guard let kernel = address("kernel_addr_r"), kernel < 1 << 40 else { return nil }
        let behind = ["fdt_addr_r", "ramdisk_addr_r"].compactMap(address).filter { $0 > kernel }
        return behind.min().map { Room(kernel: kernel, end: $0) }
    }

    /// Moves the load addresses after the kernel so far that any kernel fits. Then 222 MiB are free before the first of
    /// them, and the initial RAM disk still fits into the smallest board's 512 MiB.
    mutating func makeRoom() {
        for (name, address) in [
            ("scriptaddr", "0x0e000000"), ("pxefile_addr_r", "0x0e100000"), ("fdt_addr_r", "0x0f000000"),
            ("ramdisk_addr_r", "0x10000000"),
        ] {
            variables.removeAll { $0.name == name }
            variables.append((name, Array(address.utf8)))
        }
    }

    /// The file `uboot.env`; `nil` if the variables do not fit, or if one is missing that U-Boot needs to boot.
    func encoded() -> [UInt8]? {
        guard ["bootcmd", "kernel_addr_r"].allSatisfy({ name in variables.contains { $0.name == name } }) else {
            return nil
        }
        var text: [UInt8] = []
        for (name, value) in variables { text += Array(name.utf8) + [UInt8(ascii: "=")] + value + [0] }
        // One more zero ends the list.
        guard text.count < Self.fileSize - Field.variables - 1 else { return nil }
        var file = [UInt8](repeating: 0, count: Self.fileSize)
        file.store(bytes: text, at: Field.variables)
        file.store(CRC32.of(file[Field.variables...]), at: Field.checksum)
        return file
    }
}
