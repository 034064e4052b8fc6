import CExt2FS

/// A byte source as libext2fs sees it: an `io_manager` that only reads.
///
/// A channel is for one handle of libext2fs, and so for one thread.
final class SourceChannel {
    let source: any ByteSource
    fileprivate var blockSize: UInt64 = 1024
    /// The last error of the source. libext2fs passes on only a number.
    private(set) var failure: ImageError?

    init(_ source: any ByteSource) { self.source = source }

    /// The name with which ``manager`` opens this channel. It is valid while the channel exists.
    var deviceName: String { IOChannel.deviceName(of: self) }

    /// libext2fs counts blocks, or bytes if the count is negative.
    fileprivate func read(_ block: UInt64, _ count: Int32, into data: UnsafeMutableRawPointer) -> errcode_t {
        let length = count < 0 ? UInt64(count.magnitude) : UInt64(count) * blockSize
        let (offset, overflow) = block.multipliedReportingOverflow(by: blockSize)
        // Block numbers come from the image.
        guard !overflow, offset <= source.size, length <= source.size - offset else { return mk_et_short_read() }
        do throws(ImageError) {
            try source.read(into: UnsafeMutableRawBufferPointer(start: data, count: Int(length)), at: offset)
            return 0
        } catch {
            failure = error
            return mk_et_short_read()
        }
    }

    private static func of(_ channel: io_channel?) -> SourceChannel? { IOChannel.object(of: channel) }

    /// The table of functions for `ext2fs_open`. Nothing changes it once it is made, so threads share it.
    nonisolated(unsafe) static let manager: io_manager = {
        let manager = IOChannel.manager("source")
        manager.pointee.open = { name, _, channel in IOChannel.open(name, channel, SourceChannel.manager) }
        manager.pointee.set_blksize = { channel, size in
            guard size >= 1024, size <= 65_536 else { return mk_et_invalid_argument() }
            channel?.pointee.block_size = size
            SourceChannel.of(channel)?.blockSize = UInt64(size)
            return 0
        }
        manager.pointee.read_blk = { channel, block, count, data in
            guard let data, let source = SourceChannel.of(channel) else { return mk_et_invalid_argument() }
            return source.read(UInt64(block), count, into: data)
        }
        manager.pointee.read_blk64 = { channel, block, count, data in
            guard let data, let source = SourceChannel.of(channel) else { return mk_et_invalid_argument() }
            return source.read(block, count, into: data)
        }
        manager.pointee.write_blk = { _, _, _, _ in mk_et_read_only() }
        manager.pointee.write_blk64 = { _, _, _, _ in mk_et_read_only() }
        manager.pointee.write_byte = { _, _, _, _ in mk_et_read_only() }
        return manager
    }()
}
