import Glibc

/// U-Boot's variables on the firmware partition.
extension FirmwareTree {
    /// Adds variables with other load addresses if a kernel is too large for the addresses built into U-Boot; warns of
    /// that, and if no addresses help.
    ///
    /// - Parameters:
    ///   - uboots: the names of the partition's U-Boots.
    ///   - settings: those of `config.txt`, in which `kernel` may name other U-Boots.
    mutating func addEnvironment(
        for toplevel: Toplevel, _ uboots: [String], _ settings: [ConfigTxt.Setting]
    ) throws(ImageError) {
        // The user's own variables are not touched.
        guard node(at: UBootEnvironment.fileName) == nil else { return }
        let kernels = try Self.kernels(of: toplevel)
        let environments = try environments(in: settings.filter { $0.key == "kernel" }.map(\.value) + uboots)
        let known = environments.compactMap(\.room)
        let rooms = known.isEmpty ? [.usual] : known
        let tooLarge = kernels.filter { kernel in !rooms.allSatisfy { $0.holds(kernel) } }
        guard let largest = tooLarge.max(by: { $0.memorySize < $1.memorySize }) else { return }
        let available = rooms.map(\.capacity).min() ?? 0
        let problem: Advice =
            "the kernel takes \(ByteSize.format(largest.memorySize)) of memory and U-Boot leaves "
            + "\(ByteSize.format(available)) before what it loads next"
        if var environment = environments.first {
            environment.makeRoom()
            if let room = environment.room, kernels.allSatisfy(room.holds), let bytes = environment.encoded() {
                try add(bytes)
                warnings.append(problem + ": \(UBootEnvironment.fileName) on the firmware partition moves that")
                return
            }
        }
        warnings.append(
            problem + ": it will not boot (use a newer U-Boot, a smaller kernel, or '\(.boot, "kernel")')")
    }

    /// The uncompressed arm64 kernels of a system and its specialisations.
    private static func kernels(of toplevel: Toplevel) throws(ImageError) -> [KernelImage] {
        var kernels: [KernelImage] = []
        for system in [toplevel] + toplevel.specialisations.map(\.toplevel) {
            let file = system.kernel.physical
            guard FileStatus.type(of: file) == S_IFREG else { continue }
            let source = try FileSource(file)
            let head = try source.read(Int(min(source.size, UInt64(KernelImage.headLength))), at: 0)
            if let kernel = KernelImage(head: head, fileSize: source.size) { kernels.append(kernel) }
        }
        return kernels
    }

    /// The variables that are built into the partition's files with these names, if they are U-Boots.
    private func environments(in names: [String]) throws(ImageError) -> [UBootEnvironment] {
        var environments: [UBootEnvironment] = []
        for name in names {
            guard let node = node(at: name) else { continue }
            if let found = UBootEnvironment(builtInto: try tree.read(node, atMost: 16 << 20)) {
                environments.append(found)
            }
        }
        return environments
    }

    /// Adds `uboot.env` to the top directory.
    private mutating func add(_ environment: [UInt8]) throws(ImageError) {
        let node = tree.addFile(environment, Self.file)
        var children = tree.children(of: tree.root).map { (name: Array($0.name), node: $0.node) }
        children.append((Array(UBootEnvironment.fileName.utf8), node))
        tree.root = try tree.addDirectory(children, tree.attributes(of: tree.root))
    }
}
