import Glibc

/// U-Boot's variables on the firmware partition.
extension FirmwareTree {
    /// Where a kernel is too large for the addresses that U-Boot loads things to, moves them.
    mutating func addEnvironment(
        for toplevel: Toplevel, _ uboots: [String], _ settings: [ConfigTxt.Setting]
    ) throws(ImageError) {
        // Somebody knows better.
        guard node(at: UBootEnvironment.fileName) == nil else { return }
        var kernels: [KernelImage] = []
        for system in [toplevel] + toplevel.specialisations.map(\.toplevel) {
            let file = system.kernel.physical
            guard HostPath.kind(of: file) == S_IFREG else { continue }
            let source = try FileSource(file)
            let head = try source.read(Int(min(source.size, UInt64(KernelImage.headLength))), at: 0)
            if let kernel = KernelImage(head: head, fileSize: source.size) { kernels.append(kernel) }
        }
        let named = settings.filter { $0.key == "kernel" }.map(\.value)
        var environments: [UBootEnvironment] = []
        for name in named + uboots {
            guard let node = node(at: name) else { continue }
            if let found = UBootEnvironment(builtInto: try tree.read(node, atMost: 16 << 20)) {
                environments.append(found)
            }
        }
        let rooms = environments.compactMap(\.room)
        func fits(_ kernel: KernelImage) -> Bool {
            (rooms.isEmpty ? [.usual] : rooms).allSatisfy { $0.holds(kernel) }
        }
        guard let large = kernels.filter({ !fits($0) }).max(by: { $0.memorySize < $1.memorySize }) else { return }
        let limit = (rooms.isEmpty ? [.usual] : rooms).map(\.limit).min() ?? 0
        let said =
            "the kernel takes \(ByteSize.format(large.memorySize)) of memory and U-Boot leaves "
            + "\(ByteSize.format(limit)) before what it loads next"
        if var environment = environments.first {
            environment.makeRoom()
            if let room = environment.room, kernels.allSatisfy(room.holds), let bytes = environment.encoded() {
                let node = tree.addFile(bytes, Self.file)
                var children = tree.children(of: tree.root).map { (name: Array($0.name), node: $0.node) }
                children.append((Array(UBootEnvironment.fileName.utf8), node))
                tree.root = try tree.addDirectory(children, tree.attributes(of: tree.root))
                warnings.append(said + ": \(UBootEnvironment.fileName) on the firmware partition moves that")
                return
            }
        }
        warnings.append(said + ": it will not boot (use a newer U-Boot, a smaller kernel, or '--boot kernel')")
    }
}
