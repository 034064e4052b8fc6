import Glibc
import SystemPackage

/// How the board comes from its firmware to the kernel.
public enum BootStyle: String, Sendable, CaseIterable {
    /// U-Boot on the firmware partition reads a menu on the root partition.
    case extlinux
    /// The firmware starts the kernel, which lies on the firmware partition.
    case kernel
    /// The image's makers see to it themselves.
    case none
}

/// How long U-Boot's menu waits, with the meanings that NixOS' `boot.loader.timeout` has.
public enum MenuTimeout: Sendable, Hashable {
    /// Until somebody chooses (`null` in NixOS).
    case forever
    /// So many seconds; 0 boots at once, without a menu.
    case seconds(UInt32)
}

/// Which device tree the kernel gets.
public enum DeviceTreeChoice: Sendable, Hashable {
    /// The system's own one that fits the board.
    case system
    /// One of the system's, by its path below `dtbs` (`hardware.deviceTree.name` in NixOS).
    case file(String)
    /// The one that the board's firmware brings (`useGenerationDeviceTree = false` in NixOS).
    case firmware

    /// The file that was named.
    var file: String? { if case .file(let name) = self { name } else { nil } }
}

/// What is asked of the way from the board's firmware to the kernel.
struct BootOptions: Sendable {
    var style: BootStyle
    var boards: [Board]
    /// Directories for the firmware partition, and packages to pick from; later ones win.
    var firmware: [FilePath]
    /// Lines added to `config.txt`.
    var configLines: [String]
    /// Words added to the kernel's command line.
    var kernelParameters: [String]
    var menuTimeout: MenuTimeout
    var deviceTree: DeviceTreeChoice

    /// The command line of a system's kernel, without `init=`.
    func parameters(of toplevel: Toplevel) -> [String] {
        [toplevel.kernelParameters].filter { !$0.isEmpty } + kernelParameters
    }

    /// The device tree that was named, in a system's `dtbs`; `nil` where none was.
    /// - Throws: when it is not there.
    func deviceTreeFile(of toplevel: Toplevel, in store: StoreLocation) throws(ImageError) -> StorePlace? {
        guard let name = deviceTree.file else { return nil }
        func refuse(_ path: String, _ reason: String) -> ImageError {
            ImageError(
                .notFound, "cannot start with the device tree", path: path, reason: reason,
                remedy: "give --device-tree a path below the system's 'dtbs', such as broadcom/bcm2711-rpi-4-b.dtb")
        }
        guard let trees = toplevel.deviceTrees else {
            throw refuse(name, "the system '\(toplevel.path.path)' has no 'dtbs'")
        }
        let path = trees.physical.appending(name)
        guard let place = try? store.follow(path) else { throw refuse(path.string, "it is not there") }
        guard HostPath.kind(of: place.physical) == S_IFREG else { throw refuse(path.string, "it is no regular file") }
        return place
    }

    /// Throws when something would make another line or entry out of a menu.
    func check() throws(ImageError) {
        for line in configLines { try ConfigTxtWriter.check(line) }
        for parameter in kernelParameters {
            guard !parameter.isEmpty, parameter.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw ImageError(
                    .invalidInput, "cannot add to the kernel's command line", path: parameter,
                    reason: "it is empty or has a control character",
                    remedy: "give one parameter with each --kernel-param")
            }
        }
        if let name = deviceTree.file {
            let parts = name.split(separator: "/", omittingEmptySubsequences: false)
            guard name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }),
                parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." })
            else {
                throw ImageError(
                    .invalidInput, "this is no device tree's name:", path: name,
                    remedy: "give its path below the system's 'dtbs', such as broadcom/bcm2711-rpi-4-b.dtb")
            }
        }
        if Set(boards.map(\.is64Bit)).count > 1 {
            let names = { (wide: Bool) in boards.filter { $0.is64Bit == wide }.map(\.name).joined(separator: ", ") }
            throw ImageError(
                .invalidInput, "one image cannot be for boards of 32 and of 64 bits",
                reason: "\(names(false)) run other systems than \(names(true))", remedy: "choose with --board")
        }
    }
}
