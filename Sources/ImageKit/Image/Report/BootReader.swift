/// Finds the files that decide how an image boots: U-Boot's menu, and the firmware's settings.
///
/// ``BootChainCheck`` reads the same files from trees that a check has read already, and follows every menu. This reads
/// from volumes, and only the first menu: a report reads few files of an image.
struct BootReader {
    let root: ImageVolume?, firmware: ImageVolume?

    /// The largest menu, settings or command line that is read, in bytes.
    private static let maximumTextSize = 1 << 20

    /// A menu for U-Boot.
    struct Menu {
        var config: ExtlinuxConfig
        /// The absolute path of its file.
        var path: String
        /// The filesystem that its file is in.
        var volume: ImageVolume
    }

    /// The menu that U-Boot finds first, on the root or the firmware partition; `nil` where there is none.
    func menu() throws(ImageError) -> Menu? {
        for volume in [root, firmware].compactMap(\.self) {
            for path in ExtlinuxConfig.menuPaths {
                guard let text = try volume.text(at: path, atMost: Self.maximumTextSize) else { continue }
                return Menu(config: .parse(String(decoding: text, as: UTF8.self)), path: path, volume: volume)
            }
        }
        return nil
    }

    /// The firmware's settings; `nil` where there is no `config.txt`.
    func settings() throws(ImageError) -> ConfigTxt? {
        try firmware?.text(at: "/config.txt", atMost: Self.maximumTextSize)
            .map { ConfigTxt.parse(String(decoding: $0, as: UTF8.self)) }
    }

    /// A kernel's command line on the firmware partition; `nil` where there is no such file.
    func commandLine(at path: String) throws(ImageError) -> String? {
        try firmware?.text(at: path, atMost: Self.maximumTextSize).map { String(decoding: $0, as: UTF8.self) }
    }
}

extension ImageVolume {
    /// The first bytes of a regular file, at most `limit`; `nil` where there is no such file.
    func text(at path: String, atMost limit: Int) throws(ImageError) -> [UInt8]? {
        guard let node = try node(at: path, followingLinks: true), node.kind == .file else { return nil }
        return try node.content().read(Int(min(node.size, UInt64(limit))), at: 0)
    }
}
