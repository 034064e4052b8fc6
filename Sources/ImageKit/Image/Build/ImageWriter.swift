import Glibc
public import SystemPackage

/// Writes a planned image, or any other map: compressed and seekable, or raw.
public struct ImageWriter: Sendable {
    /// The form of the output.
    public enum Format: Sendable, Hashable {
        /// Many zstd frames and a seek table. `frameSize` is the target for the plain bytes of a frame, 64 KiB to 512
        /// MiB.
        case seekable(ZstdParameters, frameSize: UInt64)
        /// One zstd frame.
        case singleFrame(ZstdParameters)
        /// Not compressed. Ranges of zeros become holes.
        case raw
    }

    /// The destination of the output.
    public enum Target: Sendable, Hashable {
        /// A file, which appears when it is complete and replaces an older one.
        case file(FilePath)
        /// Standard output.
        case standardOutput

        /// Checks that an image can be written there, as far as that is known before it exists, and removes temporary
        /// files that killed runs left beside it.
        public func check() throws(ImageError) {
            if case .file(let path) = self { try OutputFile.check(path) }
        }
    }

    /// The sizes of a finished output.
    public struct Report: Sendable, Hashable {
        /// Bytes of the image.
        public var imageSize: UInt64
        /// Bytes of the output; equal to ``imageSize`` for a raw one, holes included.
        public var outputSize: UInt64
    }

    /// The default target for the plain bytes of a frame.
    public static let defaultFrameSize: UInt64 = 16 << 20
    /// The targets that can be chosen, in bytes.
    public static let frameSizes: ClosedRange<UInt64> = 64 << 10...512 << 20

    private let map: SegmentMap
    private let isPrivate: Bool
    private let check: ContentCheck?
    private let format: Format
    private let threads: Int

    /// Writes a planned image, and checks its store paths if its recipe asks for that.
    ///
    /// - Parameters:
    ///   - plan: the image.
    ///   - format: the form of the output.
    ///   - threads: for reading and compressing, at least 1.
    public init(_ plan: ImagePlan, format: Format, threads: Int) {
        map = plan.map
        isPrivate = plan.isPrivate
        check = plan.check
        self.format = format
        self.threads = max(1, threads)
    }

    /// Writes a disk, or a filesystem, that was laid out by hand.
    ///
    /// - Parameters:
    ///   - map: the sealed map of the output.
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
    ///
    /// - Throws: ``ImageError/Code/invalidInput`` for a raw image to standard output, ``ImageError/Code/doesNotFit``
    ///   where the disk is too full for a raw image; and errors of reading the sources and of writing.
    public func write(to target: Target, progress: Progress? = nil) throws(ImageError) -> Report {
        let progress = progress ?? Progress()
        try progress.begin(.write, total: map.size)
        switch target {
        case .standardOutput:
            guard format != .raw else {
                throw ImageError(.invalidInput, "a raw image cannot be streamed", remedy: "name a file with \(.output)")
            }
            let size = try writeChecked(to: STDOUT_FILENO, "standard output", progress)
            return Report(imageSize: map.size, outputSize: size)
        case .file(let path):
            var file = try OutputFile(path, isPrivate: isPrivate)
            try checkSpace(file)
            let size = try writeChecked(to: file.descriptor, file.target, progress)
            try progress.begin(.flush)
            try file.commit()
            return Report(imageSize: map.size, outputSize: size)
        }
    }

    /// Writes the output, and beside it hashes the store paths if that was asked for. Bytes on standard output cannot
    /// be taken back when a store path is wrong, but the run fails.
    /// - Returns: bytes of the output.
    private func writeChecked(
        to descriptor: Int32, _ path: FilePath, _ progress: Progress
    ) throws(ImageError) -> UInt64 {
        guard let check else { return try write(to: descriptor, path, progress) }
        return try check.run(threads: threads, progress: progress) { () throws(ImageError) in
            try write(to: descriptor, path, progress)
        }
    }

    private func write(to descriptor: Int32, _ path: FilePath, _ progress: Progress) throws(ImageError) -> UInt64 {
        let sink = DescriptorSink(descriptor, path: path)
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
        case .raw:
            try SparseWriter(map: map, threads: threads, progress: progress).write(to: descriptor, path: path)
            return map.size
        }
    }

    /// Checks the free space for a raw image. A compressed image's size is not known beforehand.
    private func checkSpace(_ file: borrowing OutputFile) throws(ImageError) {
        guard format == .raw, let free = file.freeBytes(), free < map.mappedBytes else { return }
        throw ImageError(
            .doesNotFit, "the disk is too full for", path: file.target.string,
            reason: "the image needs \(ByteSize.format(map.mappedBytes)) and \(ByteSize.format(free)) are free",
            remedy: "free some space, write to another disk, or write a compressed image ('.img.zst')")
    }
}
