public import SystemPackage

/// Opening an image that may be damaged, to check it.
extension ImageSource {
    /// Opens an image even if it is damaged, as far as it can be read, and reports what is wrong with its compression:
    /// the seek table, the frame headers, the end of the file.
    ///
    /// The content of frames is not checked: reads of damaged frames fail, and
    /// ``SeekableSource/checkRest(threads:progress:onFinding:)`` finds them all. A file that can only be decompressed
    /// as a whole is decompressed up to the first damage.
    ///
    /// - Parameter onFinding: receives the findings, with offsets in the file.
    /// - Throws: as ``open(_:limits:progress:)``, except for errors that become findings.
    public static func open(
        _ path: FilePath, limits: Limits = Limits(), progress: Progress? = nil, onFinding: (Finding) -> Void
    ) throws(ImageError) -> ImageSource {
        let file = try FileSource(path)
        return try openDamaged(file, path: path, file: file, limits: limits, progress: progress, onFinding: onFinding)
    }

    /// Opens an image over any source, even if it is damaged.
    static func openDamaged(
        _ source: any ByteSource, path: FilePath, file: FileSource? = nil, limits: Limits = Limits(),
        progress: Progress? = nil, onFinding: (Finding) -> Void
    ) throws(ImageError) -> ImageSource {
        guard source.size > 0 else { throw refusal(path, "it is empty") }
        let head = try source.read(Int(min(minimumSize, source.size)), at: 0)
        if !ZstdFrameHeader.isZstd(head) {
            // A compressed image that lost its beginning has a seek table that lists frames up to the last byte, and
            // does not begin with a disk's or filesystem's first sector.
            let hasTable = try? SeekTable.read(from: source, path: path.string)?.entries.isEmpty == false
            guard hasTable == true, !hasBootSignature(head) else {
                return try ImageSource(source, path: path, file: file, limits: limits, progress: progress)
            }
            onFinding(Finding(.zstdMagic, "it does not begin with a zstd frame, but ends with a seek table", offset: 0))
        }
        let frames = try ZstdCheck(file: source, path: path.string, progress: progress).run(onFinding: onFinding)
        if let frames, frames.list.largest <= SeekableSource.maximumFrameSize {
            guard frames.list.size >= minimumSize else {
                throw refusal(path, "what it holds has only \(frames.list.size) bytes")
            }
            let plain = SeekableSource(source, path: path.string, list: frames.list)
            return ImageSource(
                frames.isTable ? .seekable(plain) : .frames(plain), plain, file: file, fileSize: source.size)
        }
        let spooled = try ZstdSpooler(
            file: source, path: path, directory: limits.directory ?? SpoolFile.defaultDirectory,
            maximumSize: limits.streamedBytes,
            progress: progress
        ).run { (error) throws(ImageError) in
            onFinding(
                Finding(
                    .zstdFrame, "the image cannot be decompressed from here on: \(error.reason ?? error.message)",
                    offset: error.offset))
        }
        if let frames, frames.isTable, frames.list.size != spooled.size {
            onFinding(
                Finding(
                    .zstdTable, "the seek table says \(frames.list.size) bytes, and the frames hold \(spooled.size)",
                    offset: source.size - UInt64(SeekTable.footerSize)))
        }
        guard spooled.size >= minimumSize else { throw refusal(path, "what it holds has only \(spooled.size) bytes") }
        return ImageSource(.stream, spooled, file: file, fileSize: source.size)
    }
}
