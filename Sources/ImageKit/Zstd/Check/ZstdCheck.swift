/// Checks how a compressed image is put together: its seek table, and the heads of its frames.
///
/// ```
///   frame ┊ frame ┊ frame ┊ … ┊ seek table             table and heads agree  ▶ frames as the table has them
///   head    head    head        sizes, checksums       they do not            ▶ frames as the heads have them
/// ```
///
/// What frames hold is not looked at: whoever reads the image does that, and
/// ``SeekableSource/checkRest(threads:progress:onFinding:)`` whatever nobody has read. Memory: the lists of frames, at most
/// 64 MiB each.
struct ZstdCheck {
    /// The frames by which the image can be read.
    struct Frames {
        var list: FrameList
        /// Whether the list is the seek table's.
        var isTable: Bool
    }

    let file: any ByteSource
    /// How findings' errors call it.
    let path: String
    let progress: Progress?

    /// Looks at the table and all heads.
    ///
    /// - Returns: the frames that can be read, as far as they can be found; `nil` where the file can only be read from its
    ///   beginning to its end.
    /// - Throws: only what reading the file throws, and ``ImageError/Code/cancelled``.
    func run(onFinding hear: (Finding) -> Void) throws(ImageError) -> Frames? {
        var table: FrameList?
        var isDamaged = false
        do throws(ImageError) {
            let read = try SeekTable.read(from: file, path: path)
            table = read.map { FrameList($0) }
        } catch {
            guard error.code == .corrupt else { throw error }
            isDamaged = true
            hear(Finding(.zstdTable, error.reason ?? error.message, offset: file.size - UInt64(SeekTable.footerSize)))
        }
        if let table {
            var frames = Frames(list: table, isTable: true)
            // A damaged head, or a table of other frames: where all frames are found by themselves, it is the table.
            if let wrong = try firstWrong(in: table), let other = try scan({ (_, _) in }), other.isWhole,
                try isSound(wrong, in: other.list, beside: table)
            {
                hear(
                    Finding(
                        .zstdTable,
                        "the seek table says that frame \(wrong) begins at byte \(table.places[wrong]), and "
                            + "there is none of that size", offset: table.places[wrong]))
                frames = Frames(list: other.list, isTable: false)
            }
            try checkHeads(of: frames.list, hear)
            return frames
        }
        let found = try scan { (kind, error) in
            hear(Finding(kind, error.reason ?? error.message, offset: error.offset))
        }
        guard let found else { return nil }
        if !isDamaged { hear(Finding(.zstdTableMissing, "there is no seek table")) }
        try checkHeads(of: found.list, hear)
        return Frames(list: found.list, isTable: false)
    }

    /// Whether it is the table that is wrong about a frame, and not the frame's own head.
    private func isSound(_ frame: Int, in list: FrameList, beside table: FrameList) throws(ImageError) -> Bool {
        // Frames that follow each other without a gap up to the end are no accident. (The last is the table's.)
        guard list.places.starts(with: table.places) else { return true }
        do throws(ImageError) {
            try SeekableSource(file, path: path, list: list).verify(frame)
            return true
        } catch {
            guard [.corrupt, .invalidInput].contains(error.code) else { throw error }
            return false
        }
    }

    /// Finds the frames by their heads.
    private func scan(
        _ hear: (Finding.Kind, ImageError) -> Void
    ) throws(ImageError) -> (list: FrameList, isWhole: Bool)? {
        var isWhole = true
        let list = try FrameList.read(
            headersOf: file, path: path, largest: SeekableSource.largestFrame, progress: progress
        ) { (fault, error) throws(ImageError) in
            isWhole = false
            switch fault {
            case .cut: hear(.zstdCut, error)
            case .foreign: hear(.zstdTrailing, error)
            case .block: hear(.zstdFrame, error)
            }
        }
        return list.map { ($0, isWhole) }
    }

    /// The first frame of a table that does not begin where it should, or says another size than it should.
    private func firstWrong(in list: FrameList) throws(ImageError) -> Int? {
        for frame in 0..<list.count {
            if frame & 0xFFF == 0 { try progress?.checkCancelled() }
            let length = list.places[frame + 1] - list.places[frame]
            let size = list.starts[frame + 1] - list.starts[frame]
            switch ZstdFrameHeader(try head(of: frame, in: list)) {
            case nil: return frame
            case .skippable(let said): if said != length || size != 0 { return frame }
            case .frame(_, let said, _): if let said, said != size { return frame }
            }
        }
        return nil
    }

    /// Frames without a checksum, and with large windows.
    private func checkHeads(of list: FrameList, _ hear: (Finding) -> Void) throws(ImageError) {
        var bare: (count: Int, first: UInt64) = (0, 0), frames = 0
        for frame in 0..<list.count {
            if frame & 0xFFF == 0 { try progress?.checkCancelled() }
            let head = try head(of: frame, in: list)
            guard case .frame(_, _, let hasChecksum)? = ZstdFrameHeader(head) else { continue }
            frames += 1
            if !hasChecksum {
                if bare.count == 0 { bare.first = list.places[frame] }
                bare.count += 1
            }
            if let window = ZstdFrameHeader.window(head), window > 1 << UInt64(ZstdDecompressor.windowLog) {
                hear(
                    Finding(
                        .zstdWindow, "frame \(frame) needs a window of \(ByteSize.format(window)), more than 128 MiB",
                        offset: list.places[frame]))
            }
        }
        guard bare.count > 0 else { return }
        hear(
            Finding(
                .zstdNoChecksum,
                bare.count == frames ? "no frame has a checksum" : "\(bare.count) of \(frames) frames have no checksum",
                offset: bare.first))
    }

    private func head(of frame: Int, in list: FrameList) throws(ImageError) -> [UInt8] {
        let length = list.places[frame + 1] - list.places[frame]
        return try file.read(Int(min(length, UInt64(ZstdFrameHeader.maximum))), at: list.places[frame])
    }
}
