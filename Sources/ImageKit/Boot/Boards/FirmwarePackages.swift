import Glibc
import SystemPackage

/// Packages that have files for many boards, from which the files for the chosen boards are picked.
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
    /// A U-Boot: the path and the name of its file, and the configuration in its package's name.
    private struct UBoot { var path: FilePath, name: String, configuration: String? }

    private var directories: [Directory] = []
    private var uboots: [UBoot] = []
    private var armstubs: [FilePath] = []
    /// The paths of the packages, in the order in which they were added.
    private(set) var sources: [FilePath] = []

    /// The file names of U-Boot in packages.
    private static let ubootNames = [Board.commonUBoot] + Set(Board.all.compactMap(\.uboot)).sorted()
    private static let stubNames = Set(Board.all.compactMap(\.armstub)).sorted()
    private static let firmwarePath = "share/raspberrypi/boot"

    /// Adds a package. Its files win over files of the same names in packages that were added before.
    ///
    /// - Parameter follow: resolves the symbolic links of a path; `nil` if it leads to no file or directory.
    /// - Returns: whether the directory has any of these files.
    mutating func add(_ package: FilePath, follow: (FilePath) -> FilePath?) throws(ImageError) -> Bool {
        var isPackage = false
        // A closure has a thousand paths or more, and following the links of all of them would take long.
        if Self.mayHoldFirmware(package), let path = follow(package.appending(Self.firmwarePath)),
            FileStatus.type(of: path) == S_IFDIR
        {
            directories.insert(Directory(path: path, names: try DirectoryNames.read(directory: path).texts), at: 0)
            isPackage = true
        }
        // U-Boot and armstubs are taken only from store paths. The user may want any other directory with such files to
        // be copied whole.
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

    /// Whether a directory is the content of a whole firmware partition, and not only a package with a U-Boot.
    static func isWhole(_ directory: FilePath) throws(ImageError) -> Bool {
        try DirectoryNames.read(directory: directory).texts.contains { text in
            let name = text.lowercased()
            return ["config.txt", "bootcode.bin", "overlays", "cmdline.txt"].contains(name)
                || ["start*.elf", "*.dtb"].contains { matches(name, $0) }
        }
    }

    // MARK: Files

    /// The files of Raspberry Pi's firmware whose names match a pattern, sorted by name. One `*` stands for any text.
    /// If several packages have a file, the package that was added last wins.
    func firmware(like pattern: String) -> [(name: String, path: FilePath)] {
        var found: [String: FilePath] = [:]
        for directory in directories.reversed() {
            for name in directory.names where Self.matches(name, pattern) {
                found[name] = directory.path.appending(name)
            }
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// A file in the firmware's directory `overlays`; `nil` if no package has it.
    func overlay(_ name: String) -> FilePath? {
        directories.lazy.map { $0.path.appending("overlays").appending(name) }.first {
            FileStatus.type(of: $0) == S_IFREG
        }
    }

    /// A board's own U-Boot, found by the name of its file, or else by the configuration in its package's name.
    func uboot(of board: Board) -> FilePath? {
        guard let name = board.uboot else { return nil }
        return
            (uboots.first { $0.name == name }
            ?? uboots.first { $0.name == Board.commonUBoot && $0.configuration == board.ubootConfiguration })?.path
    }

    /// The U-Boot for all 64-bit boards. Its package's name has their common configuration, or else no configuration.
    var commonUBoot: FilePath? {
        let candidates = uboots.filter { $0.name == Board.commonUBoot }
        return
            (candidates.first { $0.configuration == Board.commonConfiguration }
            ?? candidates.first { $0.configuration == nil })?.path
    }

    /// The armstub with a file name: the program that sets up the processor and then starts U-Boot or the kernel.
    func armstub(_ name: String) -> FilePath? { armstubs.first { $0.lastComponent?.string == name } }

    /// Whether a name matches a pattern, in which one `*` stands for any text.
    static func matches(_ name: String, _ pattern: String) -> Bool {
        guard let star = pattern.firstIndex(of: "*") else { return name == pattern }
        let before = pattern[..<star], after = pattern[pattern.index(after: star)...]
        return name.utf8.count >= before.utf8.count + after.utf8.count && name.hasPrefix(before)
            && name.hasSuffix(after)
    }
}
