import SystemPackage

/// What a set of boards takes of what there is, what it lacks, and the `config.txt` that goes with it.
struct BoardFiles {
    /// Files of the partition's top directory, by name, and where on the host they are.
    private(set) var picks: [String: FilePath] = [:]
    /// The files that each board lacks.
    private(set) var missing: [(board: Board, files: [String])] = []
    private(set) var config = ConfigTxtWriter()
    /// The names of the U-Boots on the partition, in the order of the boards.
    private(set) var uboots: [String] = []

    /// - Parameters:
    ///   - present: names in the top directory that need not be picked, in lower case: they are in directories that are laid
    ///     down whole.
    init(
        _ options: BootOptions, hasInitrd: Bool, packages: FirmwarePackages, present: Set<String>
    ) {
        let boards = options.boards, style = options.style
        let common = style == .extlinux && Self.takesCommonUBoot(boards, packages, present)
        if common {
            uboots = [Board.commonUBoot]
            config.add("kernel=\(Board.commonUBoot)")
        } else if style == .kernel {
            config.add("os_prefix=\(DirectKernel.directory)/\(DirectKernel.defaultName)/")
            config.add("kernel=\(DirectKernel.kernelName)")
            if let tree = options.deviceTree.file?.split(separator: "/").last { config.add("device_tree=\(tree)") }
            if hasInitrd { config.add("initramfs \(DirectKernel.initrdName) followkernel") }
        }
        config.add("arm_64bit=\(boards.allSatisfy(\.is64Bit) ? 1 : 0)")
        config.add("enable_uart=1")
        config.add("avoid_warnings=1")
        for board in boards {
            var lacks: [String] = []
            func take(_ name: String, _ path: FilePath?) {
                if present.contains(name) || picks[name] != nil { return }
                if let path { picks[name] = path } else { lacks.append(name) }
            }
            for name in board.firmware { take(name, packages.firmware(like: name).first?.path) }
            for pattern in board.optionalFirmware { pick(packages.firmware(like: pattern), present) }
            if style != .kernel {
                take(board.deviceTree, packages.firmware(like: board.deviceTree).first?.path)
                for pattern in board.deviceTrees { pick(packages.firmware(like: pattern), present) }
            }
            if style == .extlinux {
                if let name = board.uboot, !common {
                    take(name, packages.uboot(of: board))
                    for filter in board.ubootFilters { config.add("kernel=\(name)", filter: filter) }
                    if !uboots.contains(name) { uboots.append(name) }
                } else {
                    take(Board.commonUBoot, packages.commonUBoot)
                }
                if let stub = board.armstub {
                    take(stub, packages.armstub(stub) ?? packages.firmware(like: stub).first?.path)
                }
            }
            for setting in board.settings where style == .extlinux || !setting.isForUBoot {
                config.add(setting.line, filter: setting.filter)
            }
            if !lacks.isEmpty { missing.append((board, lacks)) }
        }
    }

    /// Counts more files as missing.
    mutating func addMissing(_ more: [(board: Board, files: [String])]) {
        for (board, files) in more {
            if let index = missing.firstIndex(where: { $0.board == board }) {
                missing[index].files += files
            } else {
                missing.append((board, files))
            }
        }
    }

    private mutating func pick(_ files: [(name: String, path: FilePath)], _ present: Set<String>) {
        for (name, path) in files where !present.contains(name.lowercased()) && picks[name] == nil {
            picks[name] = path
        }
    }

    /// Whether one U-Boot is for all the boards: where there is one, and none for each board in a directory. Where there is
    /// none at all, it is the one to ask for.
    private static func takesCommonUBoot(
        _ boards: [Board], _ packages: FirmwarePackages, _ present: Set<String>
    ) -> Bool {
        if present.contains(Board.commonUBoot) { return true }
        guard boards.allSatisfy(\.is64Bit) else { return false }
        func isOwnPresent(_ board: Board) -> Bool { board.uboot.map(present.contains) ?? false }
        if packages.commonUBoot != nil { return !boards.allSatisfy(isOwnPresent) }
        return !boards.contains { isOwnPresent($0) || packages.uboot(of: $0) != nil }
    }

    /// What to do about what is missing.
    func missingError(chosenFrom boards: [Board]) -> ImageError {
        let lacks = missing.map { "\($0.board.name) needs \($0.files.joined(separator: ", "))" }
        let complete = boards.filter { board in !missing.contains { $0.board == board } }.map(\.name)
        return ImageError(
            .notFound, "the firmware partition would lack files", reason: lacks.joined(separator: "; "),
            remedy: "put the packages that hold them (raspberrypifw, U-Boot, raspberrypi-armstubs) into the closure or "
                + "give them as one more --closure, or name their store paths with --firmware, or name a folder with "
                + "these files with --firmware (with a config.txt of your own in it, nothing is asked of it)"
                + (complete.isEmpty ? "" : "; or leave boards out: --board \(complete.joined(separator: " --board "))")
                + "; or leave booting to others with '--boot none'")
    }
}
