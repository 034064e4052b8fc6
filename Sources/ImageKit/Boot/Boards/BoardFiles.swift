import SystemPackage

/// The files of the firmware partition that a set of boards needs: where they come from, which are missing, and the
/// `config.txt` that goes with them.
struct BoardFiles {
    /// The host paths of files from packages for the partition's top directory, by name.
    private(set) var picks: [String: FilePath] = [:]
    /// The needed files that neither a package nor a directory has, by board.
    private(set) var missing: [(board: Board, files: [String])] = []
    /// The `config.txt` for these boards.
    private(set) var config = ConfigTxtWriter()
    /// The names of the U-Boots on the partition, in the order of the boards.
    private(set) var uboots: [String] = []

    /// - Parameters:
    ///   - present: the names in the top directory of the user's directories, in lower case. They are copied whole, so
    ///     these files are not picked from packages.
    init(
        _ options: BootOptions, hasInitrd: Bool, packages: FirmwarePackages, present: Set<String>
    ) {
        let boards = options.boards, style = options.style
        let usesCommonUBoot = style == .extlinux && Self.usesCommonUBoot(boards, packages, present)
        addStart(options, hasInitrd: hasInitrd, usesCommonUBoot: usesCommonUBoot)
        config.add("arm_64bit=\(boards.allSatisfy(\.is64Bit) ? 1 : 0)")
        config.add("enable_uart=1")
        config.add("avoid_warnings=1")
        for board in boards {
            var lacking: [String] = []
            func pick(_ name: String, _ path: FilePath?) {
                if present.contains(name) || picks[name] != nil { return }
                if let path { picks[name] = path } else { lacking.append(name) }
            }
            for name in board.firmware { pick(name, packages.firmware(like: name).first?.path) }
            for pattern in board.optionalFirmware { pickAll(packages.firmware(like: pattern), present) }
            if style != .kernel {
                pick(board.deviceTree, packages.firmware(like: board.deviceTree).first?.path)
                for pattern in board.deviceTrees { pickAll(packages.firmware(like: pattern), present) }
            }
            if style == .extlinux {
                if let name = board.uboot, !usesCommonUBoot {
                    pick(name, packages.uboot(of: board))
                    for filter in board.ubootFilters { config.add("kernel=\(name)", filter: filter) }
                    if !uboots.contains(name) { uboots.append(name) }
                } else {
                    pick(Board.commonUBoot, packages.commonUBoot)
                }
                if let stub = board.armstub {
                    pick(stub, packages.armstub(stub) ?? packages.firmware(like: stub).first?.path)
                }
            }
            for setting in board.settings where style == .extlinux || !setting.isForUBoot {
                config.add(setting.line, filter: setting.filter)
            }
            if !lacking.isEmpty { missing.append((board, lacking)) }
        }
    }

    /// Adds the settings that name the program which the firmware starts, if it is the same on all boards.
    private mutating func addStart(_ options: BootOptions, hasInitrd: Bool, usesCommonUBoot: Bool) {
        if usesCommonUBoot {
            uboots = [Board.commonUBoot]
            config.add("kernel=\(Board.commonUBoot)")
        } else if options.style == .kernel {
            config.add("os_prefix=\(DirectKernel.directory)/\(DirectKernel.defaultName)/")
            config.add("kernel=\(DirectKernel.kernelName)")
            if let tree = options.deviceTree.file?.split(separator: "/").last { config.add("device_tree=\(tree)") }
            if hasInitrd { config.add("initramfs \(DirectKernel.initrdName) followkernel") }
        }
    }

    /// Adds to the missing files.
    mutating func addMissing(_ more: [(board: Board, files: [String])]) {
        for (board, files) in more {
            if let index = missing.firstIndex(where: { $0.board == board }) {
                missing[index].files += files
            } else {
                missing.append((board, files))
            }
        }
    }

    private mutating func pickAll(_ files: [(name: String, path: FilePath)], _ present: Set<String>) {
        for (name, path) in files where !present.contains(name.lowercased()) && picks[name] == nil {
            picks[name] = path
        }
    }

    /// Whether all boards start from the common U-Boot: if a directory has it, or if all boards have 64 bits, a package
    /// has it, and the directories lack the own U-Boot of a board. If there is no U-Boot at all, 64-bit boards lack the
    /// common one.
    private static func usesCommonUBoot(
        _ boards: [Board], _ packages: FirmwarePackages, _ present: Set<String>
    ) -> Bool {
        if present.contains(Board.commonUBoot) { return true }
        guard boards.allSatisfy(\.is64Bit) else { return false }
        func isOwnPresent(_ board: Board) -> Bool { board.uboot.map(present.contains) ?? false }
        if packages.commonUBoot != nil { return !boards.allSatisfy(isOwnPresent) }
        return !boards.contains { isOwnPresent($0) || packages.uboot(of: $0) != nil }
    }

    /// The error for missing files, with a remedy.
    func missingError(chosenFrom boards: [Board]) -> ImageError {
        let lacking = missing.map { "\($0.board.name) needs \($0.files.joined(separator: ", "))" }
        var remedy: Advice =
            "put the packages that hold them (raspberrypifw, U-Boot, raspberrypi-armstubs) into the closure or "
            + "give them as one more \(.closure), or name their store paths with \(.firmware), or name a folder with "
            + "these files with \(.firmware) (with a config.txt of your own in it, nothing is asked of it)"
        let complete = boards.filter { board in !missing.contains { $0.board == board } }
        if !complete.isEmpty {
            remedy = remedy + "; or leave boards out:"
            for board in complete { remedy = remedy + " \(.board, board.name)" }
        }
        return ImageError(
            .notFound, "the firmware partition would lack files", reason: lacking.joined(separator: "; "),
            remedy: remedy + "; or leave booting to others with '\(.boot, "none")'")
    }
}
