extension ImageSurvey {
    /// The system that an image boots when nobody chooses anything else.
    public struct System: Sendable, Hashable {
        /// The version label: `22.11.20230331.fc4a4f3`; empty where it does not say.
        public var label: String
        /// The kernel's name and version as its store path has them: `linux-6.6.30`; empty where nothing leads to one.
        public var kernel: String
    }

    /// Looks for the system that the menu or the firmware's command line names; `nil` where there is none that can be read.
    public static func system(in image: DiskImage) -> System? {
        // An image without a system, or with a damaged one, is looked at all the same.
        let root = try? image.volume(ImagePlace.Selector.root),
            firmware = try? image.volume(ImagePlace.Selector.firmware)
        guard let root, let choice = try? BootChoice.read(root: root, firmware: firmware),
            let path = choice.initPath, path.hasSuffix("/init")
        else { return nil }
        let top = String(path.dropLast("/init".count))
        let label = try? root.text(at: top + "/nixos-version", atMost: 256)
        var kernel = ""
        if let link = try? root.node(at: top + "/kernel"), link.kind == .symlink,
            let target = try? root.target(of: link)
        {
            let parts = target.split(separator: 0x2F)
            if parts.count > 2, let path = StorePath(entry: parts[2]) { kernel = String(path.name) }
        }
        let text = String(decoding: label ?? [], as: UTF8.self)
        return System(label: text.split(separator: "\n").first.map(String.init) ?? "", kernel: kernel)
    }
}
