import Glibc
import SystemPackage

/// Packages that have files for many boards. Only those for the chosen boards are picked.
///
/// ```
///   <package>/share/raspberrypi/boot/…     Raspberry Pi's firmware, device trees and overlays (raspberrypifw)
///   <package>/u-boot.bin                   U-Boot for the configuration in the package's name
///                                          (uboot-rpi_arm64_defconfig-…)
///   <package>/armstub8-gic.bin             raspberrypi-armstubs
/// ```
struct FirmwarePackages {
    /// A directory of Raspberry Pi's firmware.
    private struct Directory { var path: FilePath, names: [String] }
    /// A U-Boot: its file, its name, and the configuration that its package is named after.
    private struct UBoot { var path: FilePath, name: String, configuration: String? }

    private var directories: [Directory] = []
    private var uboots: [UBoot] = []
    private var armstubs: [FilePath] = []
    /// The paths of the packages, in the order in which they were added.
    private(set) var sources: [FilePath] = []

    /// The names that U-Boot has in packages.
    private static let ubootNames = [Board.commonUBoot] + Set(Board.all.compactMap(\.uboot)).sorted()
    private static let stubNames = Set(Board.all.compactMap(\.armstub)).sorted()
    private static let firmwarePath = "share/raspberrypi/boot"

    /// Adds a package, whose files win over those of the packages before it.
    ///
    /// - Parameter follow: resolves the symbolic links of a path; `nil` if it leads nowhere.
    /// - Returns: whether the directory is a package.
    mutating func add(_ package: FilePath, follow: (FilePath) -> FilePath?) throws(ImageError) -> Bool {
        var isPackage = false
        // A closure has a thousand paths, and following the links of all of them would take long.
        if Self.mayHoldFirmware(package), let path = follow(package.appending(Self.firmwarePath)),
            FileStatus.type(of: path) == S_IFDIR
        {
            directories.insert(Directory(path: path, names: try DirectoryNames.read(directory: path).texts), at: 0)
            isPackage = true
        }
        // U-Boot and armstubs are only taken from store paths: any other directory with them may be meant to be copied
        // whole.
        if let name = Self.packageName(package) {
            for file in Self.ubootNames {
                guard FileStatus.exists(file, in: package), let path = follow(package.appending(file)),
                    FileStatus.type(of: path) == S_IFREG
                else { continue }
                uboots.insert(UBoot(path: path, name: file, configuration: Self.configuration(name)), at: 0)
                isPackage = true
            }
            for stub in Self.stubNames {
                guard FileStatus.exists(stub, in: package), let path = follow(package.appending(stub)),
                    FileStatus.type(of: path) == S_IFREG
                else { continue }
                armstubs.insert(path, at: 0)
                isPackage = true
            }
        }
        if isPackage { sources.append(package) }
        return isPackage
    }

    private static func mayHoldFirmware(_ package: FilePath) -> Bool {
        let share = package.appending("share")
        guard case .success(let mode) = FileStatus.mode(of: share) else { return false }
        return mode & S_IFMT == S_IFLNK || FileStatus.exists("raspberrypi", in: share)
    }

    /// The name of a store path, without its hash; `nil` for any other path.
    private static func packageName(_ path: FilePath) -> String? {
        guard let last = path.lastComponent, let store = StorePath(entry: Array(last.string.utf8)) else { return nil }
        return String(store.name)
    }

    /// The configuration in a package's name: `rpi_3_32b` of `uboot-rpi_3_32b_defconfig-2024.07`. `nil` if it has none.
    private static func configuration(_ name: String) -> String? {
        guard let prefix = ["uboot-", "u-boot-"].first(where: name.hasPrefix) else { return nil }
        let word = name.dropFirst(prefix.count).prefix { $0 != "-" }
        return word.hasSuffix("_defconfig") ? String(word.dropLast("_defconfig".count)) : String(word)
    }

    /// Whether a directory was put together as a firmware partition: then it has more than U-Boot.
    static func isWhole(_ directory: FilePath) throws(ImageError) -> Bool {
        try DirectoryNames.read(directory: directory).texts.contains { text in
            let name = text.lowercased()
            return ["config.txt", "bootcode.bin", "overlays", "cmdline.txt"].contains(name)
                || ["start*.elf", "*.dtb"].contains { matches(name, $0) }
        }
    }

    // MARK: Files

    /// Files of Raspberry Pi's firmware whose names match a pattern, in which one `*` stands for any text. Of several
    /// packages with a file, the last one that was added wins.
    func firmware(like pattern: String) -> [(name: String, path: FilePath)] {
        var found: [String: FilePath] = [:]
        for directory in directories.reversed() {
            for name in directory.names where Self.matches(name, pattern) {
                found[name] = directory.path.appending(name)
            }
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// A file of the firmware's `overlays`.
    func overlay(_ name: String) -> FilePath? {
        directories.lazy.map { $0.path.appending("overlays").appending(name) }.first {
            FileStatus.type(of: $0) == S_IFREG
        }
    }

    /// A board's own U-Boot, found by the name of its file or of its package.
    func uboot(of board: Board) -> FilePath? {
        guard let name = board.uboot else { return nil }
        return
            (uboots.first { $0.name == name }
            ?? uboots.first { $0.name == Board.commonUBoot && $0.configuration == board.ubootConfiguration })?.path
    }

    /// The U-Boot for all 64-bit boards: its package's name has that configuration, or none.
    var commonUBoot: FilePath? {
        let candidates = uboots.filter { $0.name == Board.commonUBoot }
        return
            (candidates.first { $0.configuration == Board.commonConfiguration }
            ?? candidates.first { $0.configuration == nil })?.path
    }

    /// The program that hands the processor over to U-Boot, by its file's name.
    func armstub(_ name: String) -> FilePath? { armstubs.first { $0.lastComponent?.string == name } }

    /// Whether a name matches a pattern, in which one `*` stands for any text.
    static func matches(_ name: String, _ pattern: String) -> Bool {
        guard let star = pattern.firstIndex(of: "*") else { return name == pattern }
        let before = pattern[..<star], after = pattern[pattern.index(after: star)...]
        return name.utf8.count >= before.utf8.count + after.utf8.count && name.hasPrefix(before)
            && name.hasSuffix(after)
    }
}
