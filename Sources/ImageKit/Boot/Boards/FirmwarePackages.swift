import Glibc
import SystemPackage

/// Packages that hold more than one board's files, of which those are picked that the chosen boards need:
///
/// ```
///   <package>/share/raspberrypi/boot/…     Raspberry Pi's firmware, device trees and overlays (raspberrypifw)
///   <package>/u-boot.bin                   U-Boot, for the configuration in the package's name (uboot-rpi_arm64_defconfig-…)
///   <package>/armstub8-gic.bin             raspberrypi-armstubs
/// ```
struct FirmwarePackages {
    /// A directory with Raspberry Pi's firmware in it.
    private struct Directory { var path: FilePath, names: [String] }
    /// A U-Boot: its file, its name, and the configuration that its package is named after.
    private struct UBoot { var path: FilePath, name: String, configuration: String? }

    private var directories: [Directory] = []
    private var uboots: [UBoot] = []
    private var armstubs: [FilePath] = []
    /// The packages' paths, as they were given.
    private(set) var sources: [FilePath] = []

    /// U-Boot's names in a package.
    private static let ubootNames = [Board.commonUBoot] + Set(Board.all.compactMap(\.uboot)).sorted()
    private static let stubNames = Set(Board.all.compactMap(\.armstub)).sorted()
    private static let firmwarePath = "share/raspberrypi/boot"

    /// Takes a directory as a package, before those that are there already; `false` where it is none.
    ///
    /// - Parameter follow: where a path with symbolic links leads; `nil` where it leads nowhere.
    mutating func add(_ package: FilePath, follow: (FilePath) -> FilePath?) throws(ImageError) -> Bool {
        var isPackage = false
        // A closure has a thousand paths, which are not all worth following links for.
        if Self.mayHoldFirmware(package), let path = follow(package.appending(Self.firmwarePath)),
            HostPath.kind(of: path) == S_IFDIR
        {
            directories.insert(Directory(path: path, names: try DirectoryNames.read(directory: path).texts), at: 0)
            isPackage = true
        }
        // Anything else is only a package by its name: a directory that holds U-Boot may be meant to be laid down whole.
        if let name = Self.packageName(package) {
            for file in Self.ubootNames {
                guard HostPath.has(file, in: package), let path = follow(package.appending(file)),
                    HostPath.kind(of: path) == S_IFREG
                else { continue }
                uboots.insert(UBoot(path: path, name: file, configuration: Self.configuration(name)), at: 0)
                isPackage = true
            }
            for stub in Self.stubNames {
                guard HostPath.has(stub, in: package), let path = follow(package.appending(stub)),
                    HostPath.kind(of: path) == S_IFREG
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
        guard case .success(let mode) = StoreWalk.status(of: share) else { return false }
        return mode & S_IFMT == S_IFLNK || HostPath.has("raspberrypi", in: share)
    }

    /// A store path's name without its hash; `nil` for what has no such name.
    private static func packageName(_ path: FilePath) -> String? {
        guard let last = path.lastComponent, let store = StorePath(entry: Array(last.string.utf8)) else { return nil }
        return String(store.name)
    }

    /// `rpi_3_32b` of `uboot-rpi_3_32b_defconfig-2024.07`; `nil` where it is not named like that.
    private static func configuration(_ name: String) -> String? {
        guard let prefix = ["uboot-", "u-boot-"].first(where: name.hasPrefix) else { return nil }
        let word = name.dropFirst(prefix.count).prefix { $0 != "-" }
        return word.hasSuffix("_defconfig") ? String(word.dropLast("_defconfig".count)) : String(word)
    }

    /// Whether somebody put a firmware partition together in a directory: then it holds more than U-Boot.
    static func isWhole(_ directory: FilePath) throws(ImageError) -> Bool {
        try DirectoryNames.read(directory: directory).texts.contains { text in
            let name = text.lowercased()
            return ["config.txt", "bootcode.bin", "overlays", "cmdline.txt"].contains(name)
                || ["start*.elf", "*.dtb"].contains { matches(name, $0) }
        }
    }

    // MARK: What they hold

    /// Files of Raspberry Pi's firmware whose names are like `pattern`, of which one `*` stands for anything. Of several
    /// packages with a file, the last that was added counts.
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
            HostPath.kind(of: $0) == S_IFREG
        }
    }

    /// A board's own U-Boot: by its file's name, or by its package's.
    func uboot(of board: Board) -> FilePath? {
        guard let name = board.uboot else { return nil }
        return
            (uboots.first { $0.name == name }
            ?? uboots.first { $0.name == Board.commonUBoot && $0.configuration == board.ubootConfiguration })?.path
    }

    /// The U-Boot for all 64-bit boards: one that is called so, or whose package's name says nothing else.
    var commonUBoot: FilePath? {
        let candidates = uboots.filter { $0.name == Board.commonUBoot }
        return
            (candidates.first { $0.configuration == Board.commonConfiguration }
            ?? candidates.first { $0.configuration == nil })?.path
    }

    func armstub(_ name: String) -> FilePath? { armstubs.first { $0.lastComponent?.string == name } }

    static func matches(_ name: String, _ pattern: String) -> Bool {
        guard let star = pattern.firstIndex(of: "*") else { return name == pattern }
        let before = pattern[..<star], after = pattern[pattern.index(after: star)...]
        return name.utf8.count >= before.utf8.count + after.utf8.count && name.hasPrefix(before)
            && name.hasSuffix(after)
    }
}
