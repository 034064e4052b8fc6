public import SystemPackage

/// Opening an image to check it.
extension ImageSource {
    /// Opens an image even where it is damaged, as far as it can be read, and tells what is wrong with how it is
    /// compressed: the seek table, the heads of frames, the end of the file. (What frames hold is not looked at; reads of
    /// damaged ones fail, and ``SeekableSource/checkRest(threads:progress:onFinding:)`` finds them all.)
    ///
    /// A file that can only be decompressed as a whole is, up to the first damage.
    ///
    /// - Parameter onFinding: hears what is found, with offsets in the file.
    /// - Throws: as ``open(_:limits:progress:)``, but not for what is a finding.
    public static func open(
        _ path: FilePath, limits: Limits = Limits(), progress: Progress? = nil, onFinding: (Finding) -> Void
    ) throws(ImageError) -> ImageSource {
        let file = try FileSource(path)
        return try check(file, path: path, file: file, limits: limits, progress: progress, onFinding: onFinding)
    }

    /// The same over any source.
    static func check(
        _ source: any ByteSource, path: FilePath, file: FileSource? = nil, limits: Limits = Limits(),
        progress: Progress? = nil, onFinding: (Finding) -> Void
    ) throws(ImageError) -> ImageSource {
        guard source.size > 0 else { throw refusal(path, "it is empty") }
        let head = try source.read(Int(min(smallest, source.size)), at: 0)
        if !ZstdFrameHeader.isZstd(head) {
            // A table that lists frames up to the last byte, and no disk's or filesystem's first sector.
            let hasTable = try? SeekTable.read(from: source, path: path.string)?.entries.isEmpty == false
            guard hasTable == true, head.load(UInt16.self, at: 510) != 0xAA55 else {
                return try ImageSource(source, path: path, file: file, limits: limits, progress: progress)
            }
            onFinding(Finding(.zstdMagic, "it does not begin with a zstd frame, but ends with a seek table", offset: 0))
        }
        let frames = try ZstdCheck(file: source, path: path.string, progress: progress).run(onFinding: onFinding)
        if let frames, frames.list.largest <= SeekableSource.maximumFrameSize {
            guard frames.list.size >= smallest else {
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
        guard spooled.size >= smallest else { throw refusal(path, "what it holds has only \(spooled.size) bytes") }
        return ImageSource(.stream, spooled, file: file, fileSize: source.size)
    }
}
