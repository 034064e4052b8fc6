extension Registration {
    /// Parses the input of `nix-store --load-db`. The final line feed may be missing.
    ///
    /// - Parameter file: the name of the text in errors.
    /// - Throws: an error with the number of the line, and with the expected and the actual text.
    public init(parsing bytes: [UInt8], file: String) throws(ImageError) {
        var lines = Lines(bytes: bytes, file: file)
        var entries: [PathInfo] = []
        var origins: [StorePath: (entry: Int, line: Int)] = [:]
        while !lines.isAtEnd {
            let start = lines.number + 1
            let entry = try Self.entry(&lines)
            if let first = origins.updateValue((entries.count, start), forKey: entry.path) {
                guard entries[first.entry] == entry else {
                    throw lines.error(
                        at: start, "it says something else about '\(entry.path.path)' than line \(first.line) does")
                }
                origins[entry.path] = first
                continue
            }
            entries.append(entry)
        }
        try self.init(entries)
    }

    private static func entry(_ lines: inout Lines) throws(ImageError) -> PathInfo {
        let path = try lines.path("a store path")
        let hash = try lines.next("the SHA-256 of its NAR")
        let narHash: NARHash
        switch NARHash.parse(hash) {
        case .success(let value): narHash = value
        case .failure(let problem):
            throw lines.error(at: lines.number, "\(lines.found("the SHA-256 of its NAR", hash)): \(problem.reason)")
        }
        let narSize = try lines.decimal("the size of its NAR in bytes", upTo: UInt64(Int64.max))
        let deriver = try lines.next("a deriver or an empty line")
        if !deriver.isEmpty { _ = try lines.path("a deriver or an empty line", in: deriver) }
        let count = try lines.decimal("the number of its references", upTo: UInt64(Int32.max))
        var references: [StorePath] = []  // no capacity is reserved: the count may be wrong
        for index in 0..<count {
            references.append(try lines.path("reference \(index + 1) of \(count)"))
        }
        return PathInfo(path: path, narHash: narHash, narSize: narSize, references: references)
    }
}

/// The lines of a registration, with their numbers.
private struct Lines {
    private let bytes: [UInt8]
    private let file: String
    private var position = 0
    /// The number of the line that was read last, from 1.
    private(set) var number = 0

    init(bytes: [UInt8], file: String) {
        self.bytes = bytes
        self.file = file
    }

    var isAtEnd: Bool { position == bytes.count }

    mutating func next(_ expected: @autoclosure () -> String) throws(ImageError) -> ArraySlice<UInt8> {
        number += 1
        guard !isAtEnd else {
            throw error(at: number, "the file ends where \(expected()) was expected")
        }
        let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
        let line = bytes[position..<end]
        position = min(end + 1, bytes.count)
        if line.last == UInt8(ascii: "\r") {
            throw ImageError(
                .invalidInput, "cannot read the registration", path: file,
                reason: "line \(number) ends in a carriage return", remedy: "convert its line ends, as dos2unix does")
        }
        return line
    }

    mutating func path(_ expected: @autoclosure () -> String) throws(ImageError) -> StorePath {
        let line = try next(expected())
        return try path(expected(), in: line)
    }

    func path(_ expected: @autoclosure () -> String, in line: ArraySlice<UInt8>) throws(ImageError) -> StorePath {
        do throws(ImageError) {
            return try StorePath(pathBytes: line)
        } catch let problem {
            throw error(at: number, found(expected(), line) + (problem.reason.map { ": \($0)" } ?? ""))
        }
    }

    mutating func decimal(_ expected: String, upTo limit: UInt64) throws(ImageError) -> UInt64 {
        let line = try next(expected)
        let isDecimal = !line.isEmpty && line.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard isDecimal, let value = UInt64(String(decoding: line, as: UTF8.self)), value <= limit else {
            throw error(at: number, found("\(expected), a decimal number up to \(limit),", line))
        }
        return value
    }

    /// A sentence about a line that is not as expected.
    func found(_ expected: String, _ line: ArraySlice<UInt8>) -> String {
        if line.isEmpty { return "\(expected) was expected and the line is empty" }
        let shown = ImageError.printable(String(decoding: line.prefix(100), as: UTF8.self))
        return "\(expected) was expected and '\(shown)\(line.count > 100 ? "…" : "")' is there"
    }

    func error(at line: Int, _ problem: String) -> ImageError {
        ImageError(
            .invalidInput, "cannot read the registration", path: file, reason: "line \(line): \(problem)",
            remedy: "give the output of 'nix-store --dump-db' or of nixpkgs' closureInfo")
    }
}
