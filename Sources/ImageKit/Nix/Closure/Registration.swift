public import SystemPackage

/// What a store knows of its paths, in the form that `nix-store --load-db` reads and `--dump-db` writes.
///
/// ```
///   /nix/store/5dxwz4wamc0djv3n3jkkv9r1k2rfa9vy-bash-5.2      path
///   sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s   hash of its NAR
///   1644768                                                   size of its NAR in bytes
///                                                             deriver, or nothing
///   1                                                         number of references
///   /nix/store/5dxwz4wamc0djv3n3jkkv9r1k2rfa9vy-bash-5.2      one line for each
/// ```
/// Repeated for every path, with nothing between, before or after; every line ends in a line feed.
public struct Registration: Sendable, Hashable {
    /// What is known of each path, sorted by the bytes of the paths, each once.
    public let entries: [PathInfo]

    /// Takes what is known of some paths, in any order. A path may come twice if both say the same.
    public init(_ entries: some Sequence<PathInfo>) throws(ImageError) {
        var unique: [PathInfo] = []
        for entry in entries.sorted(by: { $0.path < $1.path }) {
            if let last = unique.last, last.path == entry.path {
                if last == entry { continue }
                throw ImageError(.invalidInput, "two registrations disagree about", path: entry.path.path)
            }
            unique.append(entry)
        }
        self.entries = unique
    }

    /// Takes entries that are sorted and unique already.
    init(sorted entries: [PathInfo]) {
        self.entries = entries
    }

    /// What is known of a path; `nil` where the registration does not have it.
    public subscript(path: StorePath) -> PathInfo? { entries.info(of: path) }

    /// The canonical form, a function of the entries alone: sorted by path, hashes as `sha256:` and base 32, no
    /// derivers, references sorted (with the one to itself where there is one), a line feed at the end.
    ///
    /// Derivers are left out, as nixpkgs does: they name recipes that the image does not hold.
    public func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        func line(_ text: String) {
            bytes.append(contentsOf: text.utf8)
            bytes.append(UInt8(ascii: "\n"))
        }
        for entry in entries {
            line(entry.path.path)
            line(entry.narHash.description)
            line(String(entry.narSize))
            line("")
            line(String(entry.references.count))
            for reference in entry.references { line(reference.path) }
        }
        return bytes
    }

    /// More than any store has; where to stop reading a file that never ends.
    private static let maximumFileSize = 1 << 30

    /// Reads and parses a file, which may be a pipe.
    public static func read(_ file: FilePath) throws(ImageError) -> Registration {
        var bytes: [UInt8] = []
        do {
            let descriptor = try FileDescriptor.open(file, .readOnly, options: .closeOnExec)
            try descriptor.closeAfter {
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 1)
                defer { buffer.deallocate() }
                while bytes.count <= maximumFileSize {
                    let count = try descriptor.read(into: buffer)
                    if count == 0 { break }
                    bytes.append(contentsOf: buffer[..<count])
                }
            }
        } catch {
            throw .system(error as? Errno ?? .ioError, "cannot read the registration", path: file)
        }
        guard bytes.count <= maximumFileSize else {
            throw ImageError(
                .invalidInput, "cannot read the registration", path: file.string,
                reason: "it has more than \(ByteSize.format(UInt64(maximumFileSize)))",
                remedy: "give the output of 'nix-store --dump-db' or of nixpkgs' closureInfo")
        }
        return try Registration(parsing: bytes, file: file.string)
    }
}
