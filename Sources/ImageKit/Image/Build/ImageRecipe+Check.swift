extension ImageRecipe {
    /// Throws ``ImageError/Code/invalidInput`` when something that is asked for can never be, whatever is in the closure: a
    /// label that no filesystem can have, a gap that is no whole MiB, boards that run different systems.
    ///
    /// Planning an image does this first, so that nobody waits for it.
    public func check() throws(ImageError) {
        let mebibyte: UInt64 = 1 << 20
        guard gap >= mebibyte, gap % mebibyte == 0, gap <= 1 << 40 else {
            throw ImageError(
                .invalidInput, "the gap before the first partition cannot be \(ByteSize.format(gap))",
                reason: "it must be a multiple of 1 MiB, from that to 1 TiB", remedy: "choose another --gap")
        }
        _ = try ext4Options
        _ = try FATFormatter.encodedLabel(firmwareLabel)
        try bootOptions.check()
        // Where no registration can be.
        var sketch = TreeBuilder()
        for path in [StorePath.directory] + (hasProfile ? ProfileLinks.paths : []) + [registrationPath] {
            try sketch.put(FileTree.NodeID(index: 0), at: path)
        }
    }

    /// What is asked of the root filesystem.
    var ext4Options: Ext4Options {
        get throws(ImageError) {
            try Ext4Options(
                label: rootLabel, uuid: rootUUID, slack: rootSlack, reservedPercent: reservedPercent, size: rootSize)
        }
    }
}
