extension ImageRecipe {
    /// Checks the settings that no closure can make right: a label that no filesystem can have, a gap that is not a
    /// whole number of MiB, boards that run different systems.
    ///
    /// ``ImagePlan`` checks this first, before the work that takes minutes.
    /// - Throws: ``ImageError/Code/invalidInput`` for the first setting that is wrong.
    public func check() throws(ImageError) { _ = try checkedOptions() }

    /// Checks the settings, and returns those of the root filesystem.
    func checkedOptions() throws(ImageError) -> Ext4Options {
        let mebibyte: UInt64 = 1 << 20
        guard gap >= mebibyte, gap % mebibyte == 0, gap <= 1 << 40 else {
            throw ImageError(
                .invalidInput, "the gap before the first partition cannot be \(ByteSize.format(gap))",
                reason: "it must be a multiple of 1 MiB, from that to 1 TiB", remedy: "choose another \(.gap)")
        }
        let options = try Ext4Options(
            label: rootLabel, uuid: rootUUID, slack: rootSlack, reservedPercent: reservedPercent, size: rootSize)
        _ = try FATFormatter.encodedLabel(firmwareLabel)
        try bootOptions.check()
        try checkRegistrationPath()
        return options
    }

    /// Throws when the registration would be in the store or at a link of the profile, or would take the place of a
    /// directory on the way to them.
    private func checkRegistrationPath() throws(ImageError) {
        let path = try TreeBuilder.components(of: registrationPath)
        for taken in [StorePath.directory] + (hasProfile ? ProfileLinks.paths : []) {
            let components = try TreeBuilder.components(of: taken)
            if path.starts(with: components) || components.starts(with: path) {
                throw TreeBuilder.taken(registrationPath)
            }
        }
    }
}
