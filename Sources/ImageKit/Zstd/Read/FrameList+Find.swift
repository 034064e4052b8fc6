extension FrameList {
    /// A reason to end the search for frames early.
    enum Fault {
        /// The file ends inside a frame.
        case cut
        /// There are bytes that do not begin a frame.
        case foreign
        /// A frame has a block of the reserved type.
        case block
    }

    /// Finds the frames of a file without a seek table, by the headers of frames and blocks.
    ///
    /// - Parameters:
    ///   - maximumSize: the size of the largest frame that can be read by itself, in uncompressed bytes.
    ///   - onDamage: receives the first fault and its error. If it returns, the result is the frames before the fault.
    ///     The default throws the error.
    /// - Returns: `nil` if the file can only be decompressed from beginning to end: there are too many frames, or a
    ///   frame does not give the size of its content, is larger than `maximumSize`, or is longer than any compressor
    ///   makes it.
    /// - Throws: errors of reading, ``ImageError/Code/cancelled``, and any error that `onDamage` throws. The default
    ///   throws ``ImageError/Code/corrupt`` for a fault.
    static func find(
        in file: any ByteSource, path: String, maximumSize: UInt64, progress: Progress? = nil,
        onDamage: (Fault, ImageError) throws(ImageError) -> Void = { (_, error) throws(ImageError) in throw error }
    ) throws(ImageError) -> FrameList? {
        var list = FrameList()
        var reader = HeaderReader(file: file)
        var offset: UInt64 = 0
        while offset < file.size {
            try progress?.checkCancelled()
            guard list.count < maximumCount else { return nil }
            switch try nextFrame(at: offset, &reader, maximumSize: maximumSize) {
            case .frame(let length, let contentSize):
                list.append(compressed: length, plain: contentSize)
                offset += length
            case .unusual: return nil
            case .fault(let fault, at: let offset):
                try onDamage(fault, fault.error(at: offset, path: path))
                return list
            }
        }
        return list
    }

    /// The result of the search at one offset.
    private enum Found {
        case frame(length: UInt64, contentSize: UInt64)
        /// A frame that cannot be read by itself.
        case unusual
        case fault(Fault, at: UInt64)
    }

    private static func nextFrame(
        at start: UInt64, _ reader: inout HeaderReader, maximumSize: UInt64
    ) throws(ImageError) -> Found {
        let left = reader.file.size - start
        let header = try reader.read(ZstdFrameHeader.maximumLength, at: start)
        switch ZstdFrameHeader(header) {
        case nil:
            let isCut = ZstdFrameHeader.isZstd(header) && left < UInt64(ZstdFrameHeader.maximumLength)
            return .fault(isCut ? .cut : .foreign, at: start)
        case .skippable(let length):
            return length <= left ? .frame(length: length, contentSize: 0) : .fault(.cut, at: start)
        case .frame(let headerLength, let contentSize, let hasChecksum):
            guard let contentSize, contentSize <= maximumSize else { return .unusual }
            let maximumLength = SeekableSource.maximumCompressedSize(of: contentSize)
            var length = UInt64(headerLength)
            var isLast = false
            while !isLast {
                guard length <= maximumLength else { return .unusual }
                let bytes = try reader.read(ZstdBlockHeader.length, at: start + length)
                guard let block = ZstdBlockHeader(bytes) else { return .fault(.cut, at: start) }
                guard block.type != .reserved else { return .fault(.block, at: start + length) }
                isLast = block.isLast
                length += UInt64(ZstdBlockHeader.length) + UInt64(block.storedLength)
            }
            if hasChecksum { length += UInt64(ZstdFrameHeader.checksumLength) }
            return length <= left ? .frame(length: length, contentSize: contentSize) : .fault(.cut, at: start)
        }
    }

    /// Reads headers through a buffer of 512 bytes, and skips longer runs of bytes between them.
    private struct HeaderReader {
        let file: any ByteSource
        private var start: UInt64 = 0
        private var bytes: [UInt8] = []

        init(file: any ByteSource) { self.file = file }

        /// `count` bytes, at most 512, from `offset` on; fewer at the end of the file.
        mutating func read(_ count: Int, at offset: UInt64) throws(ImageError) -> [UInt8] {
            guard offset < file.size else { return [] }
            let wanted = min(UInt64(count), file.size - offset)
            if offset < start || offset + wanted > start + UInt64(bytes.count) {
                bytes = try file.read(Int(min(512, file.size - offset)), at: offset)
                start = offset
            }
            let first = Int(offset - start)
            return Array(bytes[first..<first + Int(wanted)])
        }
    }
}

extension FrameList.Fault {
    fileprivate func error(at offset: UInt64, path: String) -> ImageError {
        let reason =
            switch self {
            case .cut: "the file ends inside a frame"
            case .foreign: "there is no zstd frame"
            case .block: "there is a block of unknown kind"
            }
        return ImageError(
            .corrupt, "cannot decompress", path: path, offset: offset, reason: reason, remedy: ZstdDecompressor.remedy)
    }
}
