extension ImageVolume {
    /// What a filesystem's superblock or boot sector says, in a form that FAT and ext4 share.
    public struct Head: Sendable, Hashable {
        /// `FAT16`, `ext4`.
        public var kind: String
        /// The label and the UUID; `nil` where the filesystem has none.
        public var label: String?, uuid: String?
        /// The filesystem's length in bytes.
        public var size: UInt64
        /// Bytes in a block or cluster.
        public var blockSize: UInt64
        /// The number of inodes, and of free ones; `nil` for FAT.
        public var inodes: UInt64?, freeInodes: UInt64?
        /// The features of ext2, ext3 and ext4, by e2fsprogs' names; `nil` for FAT.
        public var features: [String]?

        /// - Parameter label: see ``FATVolume/label()``, which has to search the root directory for it.
        init(_ fat: FATVolume, label: String?) {
            kind = "FAT\(fat.layout.kind.rawValue)"
            self.label = label
            uuid = fat.uuid
            size = fat.layout.size
            blockSize = fat.layout.clusterSize
        }

        init(_ information: Ext4Information) {
            kind = information.kind
            label = information.label.isEmpty ? nil : information.label
            uuid = information.uuid.description
            size = information.blocks.multipliedClamping(by: information.blockSize)
            blockSize = information.blockSize
            inodes = information.inodes
            freeInodes = information.freeInodes
            features = information.features
        }
    }

    /// Reads the superblock or the boot sector, and on FAT the label in the root directory.
    public func head() throws(ImageError) -> Head {
        switch self {
        case .fat(let volume): Head(volume, label: try volume.label())
        case .ext4(let volume): Head(volume.information)
        }
    }
}
