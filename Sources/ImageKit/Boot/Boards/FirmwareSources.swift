import Glibc
import SystemPackage

/// The packages and directories from which the firmware partition is filled.
struct FirmwareSources {
    /// Packages of the closure, and those that the user gave.
    private(set) var packages = FirmwarePackages()
    /// Directories that are copied whole; later ones win.
    private(set) var directories: [FilePath] = []

    /// The paths of all of them.
    var paths: [FilePath] { packages.sources + directories }

    /// - Throws: when something that the user gave is no directory, or cannot be listed.
    init(
        _ options: BootOptions, closure: Closure, in store: StoreLocation, toplevel: Toplevel?
    ) throws(ImageError) {
        for info in closure.paths {
            _ = try packages.add(store.physical(info.path)) { try? store.follow($0).physical }
        }
        for directory in options.firmware {
            let resolved = store.hostPath(of: directory) ?? directory
            guard FileStatus.type(of: resolved) == S_IFDIR else {
                throw ImageError(
                    .notFound, "cannot take firmware from", path: directory.string, reason: "it is not a folder",
                    remedy: "give \(.firmware) a folder with the files for the firmware partition")
            }
            // A directory that was put together as a firmware partition is copied whole, even if it is a store path.
            if try FirmwarePackages.isWhole(resolved) {
                directories.append(resolved)
            } else if try !packages.add(resolved, follow: { store.hostPath(of: $0) }) {
                directories.append(resolved)
            }
        }
        if options.firmware.isEmpty, packages.sources.isEmpty,
            let directory = try Self.directory(of: toplevel, in: store)
        {
            directories = [directory]
        }
    }

    /// The `firmware` of a toplevel, if it has boot files. (Usually it has the files that the kernel loads into
    /// devices.)
    private static func directory(of toplevel: Toplevel?, in store: StoreLocation) throws(ImageError) -> FilePath? {
        guard let toplevel else { return nil }
        let top = store.physical(toplevel.path)
        guard FileStatus.exists("firmware", in: top) else { return nil }
        let directory = try store.follow(top.appending("firmware")).physical
        let bootFiles = ["config.txt", "bootcode.bin", "start4.elf", "u-boot.bin"]
        return bootFiles.contains { FileStatus.exists($0, in: directory) } ? directory : nil
    }
}
