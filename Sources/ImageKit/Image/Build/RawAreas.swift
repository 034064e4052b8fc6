import Glibc
public import SystemPackage

/// A file that is written outside of the partitions: boot code, a secondary program loader, a vendor's configuration.
public struct RawArea: Sendable, Hashable {
    /// The file, which must not be empty.
    public var file: FilePath
    /// The offset on the disk of its first byte, up to 2^63 − 1.
    public var offset: UInt64

    /// See the properties of the same names.
    public init(file: FilePath, offset: UInt64) {
        self.file = file
        self.offset = offset
    }

    /// Parses `FILE@OFFSET`, split at the last `@`. The offset is a size (`8K`, `0`), or hexadecimal after `0x`.
    /// - Throws: ``ImageError/Code/invalidInput`` when the text does not have that form.
    public init(parsing text: String) throws(ImageError) {
        func refuse(_ reason: String) -> ImageError {
            ImageError(
                .invalidInput, "cannot place", path: text, reason: reason,
                remedy: "write FILE@OFFSET, with an offset such as 8K, 32256 or 0x2000")
        }
        guard let mark = text.utf8.lastIndex(of: UInt8(ascii: "@")) else { throw refuse("it has no offset") }
        let number = String(text[text.utf8.index(after: mark)...])
        guard let offset = Self.offset(number) else {
            throw refuse(number.isEmpty ? "it has no offset" : "'\(number)' is not an offset")
        }
        let file = FilePath(String(text[..<mark]))
        guard !file.isEmpty else { throw refuse("it names no file") }
        self.init(file: file, offset: offset)
    }

    private static func offset(_ text: String) -> UInt64? {
        guard text.lowercased().hasPrefix("0x") else { return ByteSize.parse(text) }
        let digits = text.dropFirst(2)
        guard digits.allSatisfy(\.isHexDigit), let value = UInt64(digits, radix: 16), value <= UInt64(Int64.max) else {
            return nil
        }
        return value
    }
}

/// Files outside of the partitions that exist and do not overlap.
///
/// ```
///   0          440       512                   gap                       end of partition 1   partition 2
///   ├ boot code ┤ table ─┤ loaders ···········├ partition 1 ────────────┤ (to a whole MiB)  ├ ───────────┤
///     allowed     never    allowed              never                     allowed             never
/// ```
struct RawAreas {
    private struct Area {
        let file: FilePath
        let range: Range<UInt64>
        let identity: HostFiles.Identity
    }

    private var areas: [Area] = []
    /// Whether there is a file that not every user may read.
    private(set) var isPrivate = false

    /// - Throws: when a file cannot be used, or overlaps the partition table or another area.
    init(_ requested: [RawArea]) throws(ImageError) {
        for area in requested {
            let (found, isReadable) = try Self.examine(area)
            if !isReadable { isPrivate = true }
            if found.range.overlaps(MBRTable.byteRange) {
                throw Self.error(
                    found, "the partition table has \(Self.shown(MBRTable.byteRange))",
                    remedy: "put it at byte \(MBRTable.byteRange.upperBound) or later; boot code has "
                        + "\(MBRTable.byteRange.lowerBound) bytes at most")
            }
            if let overlapped = areas.first(where: { $0.range.overlaps(found.range) }) {
                throw Self.error(
                    found, "'\(overlapped.file.string)' has \(Self.shown(overlapped.range))",
                    remedy: "move one of them")
            }
            areas.append(found)
        }
    }

    /// Checks a file on this machine, and whether every user may read it.
    private static func examine(_ area: RawArea) throws(ImageError) -> (area: Area, isReadable: Bool) {
        var status = stat()
        guard area.file.withPlatformString({ stat($0, &status) }) == 0 else {
            throw .system(Errno(rawValue: errno), "cannot place", path: area.file)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ImageError(
                .invalidInput, "cannot place", path: area.file.string, reason: "it is not a regular file",
                remedy: "copy its bytes to a file")
        }
        let identity = HostFiles.Identity(status)
        guard identity.size > 0 else {
            throw ImageError(
                .invalidInput, "cannot place", path: area.file.string, reason: "it is empty",
                remedy: "leave it out, or see why nothing is in it")
        }
        let (end, overflow) = area.offset.addingReportingOverflow(identity.size)
        guard !overflow, end <= UInt64(Int64.max) else {
            throw ImageError(
                .invalidInput, "cannot place", path: area.file.string,
                reason: "no disk has \(identity.size) bytes at byte \(area.offset)", remedy: "choose a smaller offset")
        }
        return (Area(file: area.file, range: area.offset..<end, identity: identity), status.st_mode & S_IROTH != 0)
    }

    /// - Parameter partitions: in the order of their offsets.
    /// - Throws: when an area overlaps one of these partitions.
    func check(_ partitions: [MBREntry]) throws(ImageError) {
        for area in areas {
            guard let partition = partitions.first(where: { $0.bytes.overlaps(area.range) }) else { continue }
            throw Self.error(
                area, "partition \(partition.number) has \(Self.shown(partition.bytes))",
                remedy: Self.remedy(area, partitions))
        }
    }

    /// Adds the files to a disk with these partitions.
    /// - Throws: when an area overlaps a partition or ends past the end of the disk.
    func add(to map: inout SegmentMap, around partitions: [MBREntry]) throws(ImageError) {
        try check(partitions)
        var files = HostFiles()
        var sources: [(file: HostFiles.FileID, range: Range<UInt64>)] = []
        for area in areas {
            guard area.range.upperBound <= map.size else {
                throw Self.error(
                    area, "the image has only \(map.size) bytes", remedy: Self.remedy(area, partitions))
            }
            let directory = files.addRoot(area.file.removingLastComponent())
            // The path of a regular file always has a last component.
            let name = area.file.lastComponent.map { FilePath(root: nil, [$0]).bytes } ?? []
            sources.append((files.addFile(name, in: directory, identity: area.identity), area.range))
        }
        if sources.isEmpty { return }
        let table = map.addTable(files)
        for (file, range) in sources {
            map.add(file: file, of: table, start: 0, length: range.length, at: range.lowerBound)
        }
    }

    /// Advises the gap that would have room for an area, or a smaller offset.
    private static func remedy(_ area: Area, _ partitions: [MBREntry]) -> Advice {
        let mebibyte: UInt64 = 1 << 20
        let first = partitions.first.map { $0.bytes.lowerBound } ?? mebibyte
        let advice: Advice = "choose an offset that leaves it below byte \(first)"
        let gap = area.range.upperBound.dividedRoundingUp(by: mebibyte)
        // A gap of more than 1 TiB is larger than any card.
        return gap <= 1 << 20
            ? "make the gap before the first partition larger with '\(.gap, "\(gap)M")', or \(advice)" : advice
    }

    private static func error(_ area: Area, _ reason: String, remedy: Advice) -> ImageError {
        ImageError(
            .invalidInput, "cannot place", path: area.file.string,
            reason: "it would take \(shown(area.range)), and \(reason)", remedy: remedy)
    }

    private static func shown(_ range: Range<UInt64>) -> String {
        "bytes \(range.lowerBound) to \(range.upperBound - 1)"
    }
}
