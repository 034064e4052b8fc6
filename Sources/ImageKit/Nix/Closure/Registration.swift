public import SystemPackage

/// The entries of store paths, in the format that `nix-store --load-db` reads and `--dump-db` writes.
///
/// ```
///   /nix/store/5dxwz4wamc0djv3n3jkkv9r1k2rfa9vy-bash-5.2      path
///   sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s   hash of its NAR
///   1644768                                                   size of its NAR in bytes
///                                                             deriver, or an empty line
///   1                                                         number of references
///   /nix/store/5dxwz4wamc0djv3n3jkkv9r1k2rfa9vy-bash-5.2      one line for each reference
/// ```
/// This repeats for every path, without lines between, before or after; every line ends in a line feed.
public struct Registration: Sendable, Hashable {
    /// The entries, sorted by the bytes of their paths, each path once.
    public let entries: [PathInfo]

    /// Sorts entries. A path may have two entries if they are equal.
    /// - Throws: when two entries of a path differ.
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

    /// - Parameter entries: sorted by path, each path once.
    init(sorted entries: [PathInfo]) {
        self.entries = entries
    }

    /// The entry of a path; `nil` if the registration does not have it.
    public subscript(path: StorePath) -> PathInfo? { entries.info(of: path) }

    /// The canonical encoding, which depends on the entries only: sorted by path, hashes as `sha256:` and base 32, no
    /// derivers, references sorted (including a path's reference to itself), a line feed at the end.
    ///
    /// Derivers are left out, as in nixpkgs: the image does not have these build recipes.
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

    /// The longest registration that is read, in bytes. No store's is longer, but a pipe may be endless.
    private static let maximumFileSize = 1 << 30

    /// Reads and parses a file, which may be a pipe.
    public static func read(_ file: FilePath) throws(ImageError) -> Registration {
        var bytes: [UInt8] = []
        do {
            let descriptor = try FileDescriptor.open(file, .readOnly, options: .closeOnExec)
            try descriptor.closeAfter {
                var buffer = [UInt8](repeating: 0, count: 1 << 18)
                while bytes.count <= maximumFileSize {
                    let count = try buffer.withUnsafeMutableBytes { try descriptor.read(into: $0) }
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
