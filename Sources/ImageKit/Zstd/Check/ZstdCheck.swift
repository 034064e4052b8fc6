/// Checks the structure of a compressed image: its seek table and the headers of its frames.
///
/// ```
///   frame  ┊ frame  ┊ frame  ┊ … ┊ seek table          table and headers agree  ▶ the frames of the table
///   header   header   header         sizes, checksums  they do not              ▶ the frames of the headers
/// ```
///
/// The headers are right if they alone fill the file, and a frame proves the table wrong. To decide that, the check
/// decompresses at most one frame. Reads of the image check the content of the others, and
/// ``SeekableSource/checkRest(threads:progress:onFinding:)`` checks those that were not read. Memory: two lists of
/// frames, at most 80 MiB each, and the table while it is read.
struct ZstdCheck {
    /// The frames by which the image can be read.
    struct Frames {
        var list: FrameList
        /// Whether the list is that of the seek table.
        var isTable: Bool
    }

    let file: any ByteSource
    /// The file's path, for errors.
    let path: String
    let progress: Progress?

    /// Checks the seek table and all headers.
    ///
    /// - Returns: the frames that can be read; `nil` if the file can only be decompressed from beginning to end.
    /// - Throws: errors of reading the file, and ``ImageError/Code/cancelled``.
    func run(onFinding report: (Finding) -> Void) throws(ImageError) -> Frames? {
        var table: FrameList?
        var isTableDamaged = false
        do throws(ImageError) {
            let read = try SeekTable.read(from: file, path: path)
            table = read.map { FrameList($0) }
        } catch {
            guard error.blame == .image else { throw error }
            isTableDamaged = true
            report(Finding(.zstdTable, error.reason ?? error.message, offset: file.size - UInt64(SeekTable.footerSize)))
        }
        if let table {
            var frames = Frames(list: table, isTable: true)
            // Either a header is damaged, or the table is wrong. It is the table if all frames are found without it.
            if let wrong = try firstContradiction(in: table), let scanned = try scan({ (_, _) in }), scanned.isWhole,
                try isTableWrong(about: wrong, scanned: scanned.list, table: table)
            {
                let offset = table.fileOffsets[wrong]
                report(
                    Finding(
                        .zstdTable,
                        "the seek table says that frame \(wrong) begins at byte \(offset), and "
                            + "there is none of that size", offset: offset))
                frames = Frames(list: scanned.list, isTable: false)
            }
            try checkHeaders(of: frames.list, report)
            return frames
        }
        let scanned = try scan { (kind, error) in
            report(Finding(kind, error.reason ?? error.message, offset: error.offset))
        }
        guard let scanned else { return nil }
        if !isTableDamaged { report(Finding(.zstdTableMissing, "there is no seek table")) }
        try checkHeaders(of: scanned.list, report)
        return Frames(list: scanned.list, isTable: false)
    }

    /// Whether the table is wrong about a frame, and not the header of the frame.
    private func isTableWrong(
        about frame: Int, scanned list: FrameList, table: FrameList
    ) throws(ImageError) -> Bool {
        // Frames without a gap up to the end of the file are no coincidence. (The last one holds the table.)
        guard list.fileOffsets.starts(with: table.fileOffsets) else { return true }
        do throws(ImageError) {
            try SeekableSource(file, path: path, list: list).verify(frame)
            return true
        } catch {
            guard error.blame.isInput else { throw error }
            return false
        }
    }

    /// Finds the frames by their headers. `isWhole` is `false` if a fault ended the search.
    private func scan(
        _ onFault: (Finding.Kind, ImageError) -> Void
    ) throws(ImageError) -> (list: FrameList, isWhole: Bool)? {
        var isWhole = true
        let list = try FrameList.find(
            in: file, path: path, maximumSize: SeekableSource.maximumFrameSize, progress: progress
        ) { (fault, error) throws(ImageError) in
            isWhole = false
            switch fault {
            case .cut: onFault(.zstdCut, error)
            case .foreign: onFault(.zstdTrailing, error)
            case .block: onFault(.zstdFrame, error)
            }
        }
        return list.map { ($0, isWhole) }
    }

    /// The first frame of a table without a header at its offset, or with another size in its header.
    private func firstContradiction(in list: FrameList) throws(ImageError) -> Int? {
        for frame in 0..<list.count {
            if frame & 0xFFF == 0 { try progress?.checkCancelled() }
            let length = list.fileRange(ofFrame: frame).length
            let size = list.imageRange(ofFrame: frame).length
            switch ZstdFrameHeader(try header(of: frame, in: list)) {
            case nil: return frame
            case .skippable(let recordedLength): if recordedLength != length || size != 0 { return frame }
            case .frame(_, let recordedSize, _): if let recordedSize, recordedSize != size { return frame }
            }
        }
        return nil
    }

    /// Reports frames without a checksum, and frames with large windows.
    private func checkHeaders(of list: FrameList, _ report: (Finding) -> Void) throws(ImageError) {
        var withoutChecksum: (count: Int, first: UInt64) = (0, 0), frames = 0
        for frame in 0..<list.count {
            if frame & 0xFFF == 0 { try progress?.checkCancelled() }
            let header = try header(of: frame, in: list)
            guard case .frame(_, _, let hasChecksum)? = ZstdFrameHeader(header) else { continue }
            frames += 1
            if !hasChecksum {
                if withoutChecksum.count == 0 { withoutChecksum.first = list.fileOffsets[frame] }
                withoutChecksum.count += 1
            }
            if let window = ZstdFrameHeader.windowSize(header),
                window > 1 << UInt64(ZstdDecompressor.maximumWindowLog)
            {
                report(
                    Finding(
                        .zstdWindow, "frame \(frame) needs a window of \(ByteSize.format(window)), more than 128 MiB",
                        offset: list.fileOffsets[frame]))
            }
        }
        guard withoutChecksum.count > 0 else { return }
        report(
            Finding(
                .zstdNoChecksum,
                withoutChecksum.count == frames
                    ? "no frame has a checksum"
                    : "\(withoutChecksum.count) of \(frames) frames have no checksum",
                offset: withoutChecksum.first))
    }

    private func header(of frame: Int, in list: FrameList) throws(ImageError) -> [UInt8] {
        let range = list.fileRange(ofFrame: frame)
        return try file.read(Int(min(range.length, UInt64(ZstdFrameHeader.maximumLength))), at: range.lowerBound)
    }
}
