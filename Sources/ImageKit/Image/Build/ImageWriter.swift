import Glibc
public import SystemPackage

/// Writes a planned image, or any other map: compressed and seekable, or as it is.
public struct ImageWriter: Sendable {
    /// The form of the output.
    public enum Format: Sendable, Hashable {
        /// Many zstd frames and a seek table; `frameSize` is what frames aim at, in bytes (64 KiB to 512 MiB).
        case seekable(ZstdParameters, frameSize: UInt64)
        /// One zstd frame.
        case singleFrame(ZstdParameters)
        /// The bytes themselves, holes where they are zero.
        case raw
    }

    /// Where the output goes.
    public enum Target: Sendable, Hashable {
        /// A file that appears when it is complete, and replaces what was there.
        case file(FilePath)
        /// Standard output.
        case standardOutput

        /// Makes sure that an image can be written there, as far as that is known before it is made, and removes what runs
        /// that were killed left of one.
        public func check() throws(ImageError) {
            if case .file(let path) = self { try OutputFile.check(path) }
        }
    }

    /// What was written.
    public struct Report: Sendable, Hashable {
        /// Bytes of the image.
        public var imageSize: UInt64
        /// Bytes of the output; of a raw one, the image's.
        public var outputSize: UInt64
    }

    /// The length of frames that is aimed at, unless something else is asked for.
    public static let defaultFrameSize: UInt64 = 16 << 20
    /// The lengths that can be asked for, in bytes.
    public static let frameSizes: ClosedRange<UInt64> = 64 << 10...512 << 20

    private let map: SegmentMap
    private let isPrivate: Bool
    private let check: ContentCheck?
    private let format: Format
    private let threads: Int

    /// Writes an image of a closure, and checks its store paths where its recipe asks for that.
    ///
    /// - Parameters:
    ///   - layout: the plan of the image.
    ///   - format: the form of the output.
    ///   - threads: for reading and compressing, at least 1.
    public init(_ layout: ImagePlan, format: Format, threads: Int) {
        map = layout.map
        isPrivate = layout.isPrivate
        check = layout.check
        self.format = format
        self.threads = max(1, threads)
    }

    /// Writes a disk, or a filesystem, that was laid out by hand.
    ///
    /// - Parameters:
    ///   - map: what is written; sealed.
    ///   - format: the form of the output.
    ///   - threads: for reading and compressing, at least 1.
    ///   - isPrivate: whether only the owner may read the file.
    public init(_ map: SegmentMap, format: Format, threads: Int, isPrivate: Bool = false) {
        self.map = map
        self.isPrivate = isPrivate
        check = nil
        self.format = format
        self.threads = max(1, threads)
    }

    /// Writes the image.
    public func write(to target: Target, progress: Progress? = nil) throws(ImageError) -> Report {
        let progress = progress ?? Progress()
        try progress.begin(.write, total: map.size)
        switch target {
        case .standardOutput:
            guard format != .raw else {
                throw ImageError(.invalidInput, "a raw image cannot be streamed", remedy: "name a file with --out")
            }
            let size = try checked(progress) { () throws(ImageError) in
                try compress(to: DescriptorSink(STDOUT_FILENO, path: "standard output"), progress)
            }
            return Report(imageSize: map.size, outputSize: size)
        case .file(let path):
            var file = try OutputFile(path, isPrivate: isPrivate)
            try checkSpace(file)
            let size = try checked(progress) { () throws(ImageError) in
                if format == .raw {
                    try SparseWriter(map: map, threads: threads, progress: progress)
                        .write(to: file.descriptor, path: file.target)
                    return map.size
                }
                return try compress(to: DescriptorSink(file.descriptor, path: file.target), progress)
            }
            try progress.begin(.flush)
            try file.commit()
            return Report(imageSize: map.size, outputSize: size)
        }
    }

    /// Writes, with the check of store paths beside it where that was asked for. (What has gone to standard output cannot
    /// be taken back; but the run fails.)
    private func checked(
        _ progress: Progress, _ write: () throws(ImageError) -> UInt64
    ) throws(ImageError) -> UInt64 {
        guard let check else { return try write() }
        return try check.run(threads: threads, progress: progress, beside: write)
    }

    private func compress(to sink: some ByteSink, _ progress: Progress) throws(ImageError) -> UInt64 {
        switch format {
        case .seekable(let parameters, let frameSize):
            let frame = min(max(frameSize, Self.frameSizes.lowerBound), Self.frameSizes.upperBound)
            return try ZstdImageWriter(
                map: map, parameters: parameters, frameSize: frame, threads: threads, progress: progress
            ).write(to: sink).size
        case .singleFrame(let parameters):
            return try ZstdStreamWriter(
                map: map, parameters: parameters, threads: threads, progress: progress
            ).write(to: sink)
        case .raw: return 0
        }
    }

    /// What a compressed image needs, nobody knows beforehand; what a raw one needs is known.
    private func checkSpace(_ file: borrowing OutputFile) throws(ImageError) {
        guard format == .raw, let free = file.freeBytes(), free < map.mappedBytes else { return }
        throw ImageError(
            .doesNotFit, "the disk is too full for", path: file.target.string,
            reason: "the image needs \(ByteSize.format(map.mappedBytes)) and \(ByteSize.format(free)) are free",
            remedy: "free some space, write to another disk, or write a compressed image ('.img.zst')")
    }
}
