extension ImageVolume {
    /// What a filesystem says of itself, of whatever kind it is.
    public struct Head: Sendable, Hashable {
        /// `FAT16`, `ext4`.
        public var kind: String
        /// The label and the UUID, where it has them.
        public var label: String?, uuid: String?
        /// Its bytes, from its first to its last.
        public var size: UInt64
        /// Bytes in a block or cluster.
        public var blockSize: UInt64
        /// Inodes in all, and free ones; `nil` of FAT.
        public var inodes: UInt64?, freeInodes: UInt64?
        /// Of ext2, ext3 and ext4, by e2fsprogs' names.
        public var features: [String]?

        /// - Parameter label: see ``FATVolume/label()``, which has to look for it.
        init(_ fat: FATVolume, label: String?) {
            kind = "FAT\(fat.layout.kind.rawValue)"
            self.label = label
            uuid = fat.uuid
            size = fat.layout.size
            blockSize = fat.layout.clusterSize
        }

        init(_ said: Ext4Information) {
            kind = said.kind
            label = said.label.isEmpty ? nil : said.label
            uuid = Ext4Options.uuidText(said.uuid)
            size = said.blocks.multipliedClamping(by: said.blockSize)
            blockSize = said.blockSize
            inodes = said.inodes
            freeInodes = said.freeInodes
            features = said.features
        }
    }

    /// What the filesystem says of itself.
    public func head() throws(ImageError) -> Head {
        switch self {
        case .fat(let volume): Head(volume, label: try volume.label())
        case .ext4(let volume): Head(volume.information)
        }
    }
}
