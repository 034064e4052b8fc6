import Glibc
import SystemPackage

/// How a board gets from its firmware to the kernel.
public enum BootStyle: String, Sendable, CaseIterable {
    /// U-Boot on the firmware partition reads a menu on the root partition.
    case extlinux
    /// The firmware starts the kernel, which is on the firmware partition.
    case kernel
    /// Nothing is generated: the user's own files boot the image.
    case none
}

/// The device tree that the kernel gets.
public enum DeviceTreeChoice: Sendable, Hashable {
    /// The one for the board in the system's `dtbs`.
    case system
    /// The same one for all boards, by its path below the system's `dtbs` (`hardware.deviceTree.name` in NixOS).
    case file(String)
    /// The one of the board's firmware (`useGenerationDeviceTree = false` in NixOS).
    case firmware

    /// The path below `dtbs`, if one was chosen.
    var file: String? { if case .file(let name) = self { name } else { nil } }
}

/// The parts of a recipe that decide how an image boots.
struct BootOptions: Sendable {
    var style: BootStyle
    var boards: [Board]
    /// Directories for the firmware partition, and packages to pick files from; later ones win.
    var firmware: [FilePath]
    /// Lines added to `config.txt`.
    var configLines: [String]
    /// Parameters added to the kernel's command line.
    var kernelParameters: [String]
    var menuTimeout: MenuTimeout
    var deviceTree: DeviceTreeChoice

    /// The parameters of a system's kernel, without `init=`. The first element may hold several.
    func parameters(of toplevel: Toplevel) -> [String] {
        [toplevel.kernelParameters].filter { !$0.isEmpty } + kernelParameters
    }

    /// The chosen device tree in a system's `dtbs`; `nil` if none was chosen.
    /// - Throws: ``ImageError/Code/notFound`` if the system does not have it as a regular file.
    func deviceTreeFile(of toplevel: Toplevel, in store: StoreLocation) throws(ImageError) -> ResolvedStorePath? {
        guard let name = deviceTree.file else { return nil }
        func refuse(_ path: String, _ reason: String) -> ImageError {
            ImageError(
                .notFound, "cannot start with the device tree", path: path, reason: reason,
                remedy: "give \(.deviceTree) a path below the system's 'dtbs', such as broadcom/bcm2711-rpi-4-b.dtb")
        }
        guard let trees = toplevel.deviceTrees else {
            throw refuse(name, "the system '\(toplevel.path.path)' has no 'dtbs'")
        }
        let path = trees.physical.appending(name)
        guard let file = try? store.follow(path) else { throw refuse(path.string, "it is not there") }
        guard FileStatus.type(of: file.physical) == S_IFREG else { throw refuse(path.string, "it is no regular file") }
        return file
    }

    /// Throws if an option would break the format of a generated file, or if there are both 32-bit and 64-bit boards.
    func check() throws(ImageError) {
        for line in configLines { try ConfigTxtWriter.check(line) }
        for parameter in kernelParameters {
            guard !parameter.isEmpty, parameter.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
                throw ImageError(
                    .invalidInput, "cannot add to the kernel's command line", path: parameter,
                    reason: "it is empty or has a control character",
                    remedy: "give one parameter with each \(.kernelParameter)")
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
                reason: "\(names(false)) run other systems than \(names(true))", remedy: "choose with \(.board)")
        }
    }
}
