import CExt2FS

/// A filesystem's metadata blocks in memory, which libext2fs writes and reads while an image is laid out.
///
/// It keeps only blocks that are not all zero. File data never passes through it.
final class BlockStore {
    private(set) var blocks: [UInt64: [UInt8]] = [:]
    fileprivate var blockSize = 1024

    /// The name with which ``manager`` opens this store. It is valid while the store exists.
    var deviceName: String { IOChannel.deviceName(of: self) }

    /// Copies the bytes of blocks into `data`. Blocks that were not written are zero.
    func read(_ block: UInt64, count: Int, into data: UnsafeMutableRawPointer) {
        let size = blockSize
        // Before the block size is set, libext2fs reads the superblock in units of 1 KiB.
        var target = UnsafeMutableRawBufferPointer(start: data, count: byteCount(count))
        var position = block * UInt64(size)
        while !target.isEmpty {
            let inBlock = Int(position % Ext4Geometry.blockSize)
            let length = min(target.count, Int(Ext4Geometry.blockSize) - inBlock)
            if let bytes = blocks[position / Ext4Geometry.blockSize] {
                target.copyBytes(from: bytes[inBlock..<inBlock + length])
            } else {
                UnsafeMutableRawBufferPointer(rebasing: target[..<length]).initializeMemory(
                    as: UInt8.self, repeating: 0)
            }
            target = UnsafeMutableRawBufferPointer(rebasing: target[length...])
            position += UInt64(length)
        }
    }

    /// Copies `data` into blocks.
    func write(_ block: UInt64, count: Int, from data: UnsafeRawPointer) {
        write(bytes: UnsafeRawBufferPointer(start: data, count: byteCount(count)), at: block * UInt64(blockSize))
    }

    /// Copies bytes into blocks, from a byte offset on.
    func write(bytes: UnsafeRawBufferPointer, at offset: UInt64) {
        var source = bytes
        var position = offset
        while !source.isEmpty {
            let inBlock = Int(position % Ext4Geometry.blockSize)
            let length = min(source.count, Int(Ext4Geometry.blockSize) - inBlock)
            let bytes = UnsafeRawBufferPointer(rebasing: source[..<length])
            let block = position / Ext4Geometry.blockSize
            if length == Int(Ext4Geometry.blockSize) {
                if let index = blocks.index(forKey: block) {
                    blocks.values[index].withUnsafeMutableBytes { $0.copyMemory(from: bytes) }
                } else if bytes.contains(where: { $0 != 0 }) {
                    blocks[block] = Array(bytes)
                }
            } else {
                blocks[block, default: [UInt8](repeating: 0, count: Int(Ext4Geometry.blockSize))]
                    .withUnsafeMutableBytes {
                        UnsafeMutableRawBufferPointer(rebasing: $0[inBlock..<inBlock + length]).copyMemory(from: bytes)
                    }
            }
            source = UnsafeRawBufferPointer(rebasing: source[length...])
            position += UInt64(length)
        }
    }

    fileprivate func discard(_ block: UInt64, count: UInt64) {
        // The journal is the only long range that is zeroed, and nothing was written to it before.
        let first = block * UInt64(blockSize) / Ext4Geometry.blockSize
        let last = (block + count) * UInt64(blockSize) / Ext4Geometry.blockSize
        if last - first > UInt64(blocks.count) {
            blocks = blocks.filter { $0.key < first || $0.key >= last }
        } else {
            for block in first..<max(first, last) { blocks[block] = nil }
        }
    }

    /// libext2fs counts blocks, or bytes if the count is negative.
    private func byteCount(_ count: Int) -> Int { count < 0 ? -count : count * blockSize }
}

extension BlockStore {
    /// The table of functions for `ext2fs_initialize` and `ext2fs_open`. Nothing changes it once it is made, so threads
    /// share it.
    nonisolated(unsafe) static let manager: io_manager = {
        let manager = IOChannel.manager("memory")
        manager.pointee.open = { name, _, channel in IOChannel.open(name, channel, BlockStore.manager) }
        manager.pointee.set_blksize = { channel, size in
            channel?.pointee.block_size = size
            BlockStore.store(of: channel)?.blockSize = Int(size)
            return 0
        }
        manager.pointee.read_blk = { channel, block, count, data in
            guard let data else { return mk_et_invalid_argument() }
            BlockStore.store(of: channel)?.read(UInt64(block), count: Int(count), into: data)
            return 0
        }
        manager.pointee.write_blk = { channel, block, count, data in
            guard let data else { return mk_et_invalid_argument() }
            BlockStore.store(of: channel)?.write(UInt64(block), count: Int(count), from: data)
            return 0
        }
        manager.pointee.read_blk64 = { channel, block, count, data in
            guard let data else { return mk_et_invalid_argument() }
            BlockStore.store(of: channel)?.read(block, count: Int(count), into: data)
            return 0
        }
        manager.pointee.write_blk64 = { channel, block, count, data in
            guard let data else { return mk_et_invalid_argument() }
            BlockStore.store(of: channel)?.write(block, count: Int(count), from: data)
            return 0
        }
        manager.pointee.write_byte = { channel, offset, count, data in
            guard let data, count >= 0 else { return mk_et_invalid_argument() }
            BlockStore.store(of: channel)?.write(
                bytes: UnsafeRawBufferPointer(start: data, count: Int(count)), at: UInt64(offset))
            return 0
        }
        manager.pointee.discard = { channel, block, count in
            BlockStore.store(of: channel)?.discard(block, count: count)
            return 0
        }
        manager.pointee.zeroout = { channel, block, count in
            BlockStore.store(of: channel)?.discard(block, count: count)
            return 0
        }
        return manager
    }()

    fileprivate static func store(of channel: io_channel?) -> BlockStore? { IOChannel.object(of: channel) }
}
