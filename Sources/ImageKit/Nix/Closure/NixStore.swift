import SystemPackage

/// Nix's database of a store, which is queried with `nix-store`.
struct NixStore {
    private static let program = "nix-store"
    /// Bytes of store paths on a command line. Every system accepts 128 KiB, including the environment.
    private static let batchSize = 64 << 10

    private let storeOption: [String]
    private let progress: Progress?

    init(store: StoreLocation, progress: Progress?) throws(ImageError) {
        switch FileStatus.realPath(of: store.root) {
        case .success(let root): storeOption = Self.option(root: root)
        case .failure(let errno):
            throw .system(
                errno, "there is no Nix store at", path: store.directory,
                remedy: "say with \(.storeRoot) which folder holds nix/store")
        }
        self.progress = progress
    }

    /// The registration of the closure of `roots`.
    func registration(of roots: [StorePath]) throws(ImageError) -> Registration {
        var closure: Set<StorePath> = []
        for batch in Self.batches(roots) {
            let list = try run(["-qR"], batch)
            for line in list.split(separator: UInt8(ascii: "\n")) { closure.insert(try StorePath(pathBytes: line)) }
        }
        var entries: [PathInfo] = []
        for batch in Self.batches(closure.sorted()) {
            let dump = try run(["--dump-db"], batch)
            entries += try Registration(parsing: dump, file: "nix-store --dump-db").entries
            progress?.advance(UInt64(batch.count))
        }
        return try Registration(entries)
    }

    /// Divides paths so that each batch fits on a command line.
    private static func batches(_ paths: [StorePath]) -> [[StorePath]] {
        var batches: [[StorePath]] = []
        var size = batchSize
        for path in paths {
            let cost = path.path.utf8.count + 1 + MemoryLayout<Int>.size
            if size + cost > batchSize {
                batches.append([])
                size = 0
            }
            batches[batches.count - 1].append(path)
            size += cost
        }
        return batches
    }

    private static let otherSources: Advice =
        "give a registration with \(.registration), or find the closure with \(.scanReferences)"

    private func run(_ options: [String], _ paths: [StorePath]) throws(ImageError) -> [UInt8] {
        let command: Subprocess
        do throws(ImageError) {
            command = try Subprocess.run(Self.program, storeOption + options + paths.map(\.path), progress: progress)
        } catch let error where error.code == .notFound {
            throw ImageError(
                .notFound, "cannot ask Nix for the closure", reason: "there is no 'nix-store' in PATH",
                remedy: Self.otherSources)
        }
        guard command.status == 0 else {
            let message = command.lastErrors
            let end = command.status > 128 ? "was ended by signal \(command.status - 128)" : "failed"
            throw ImageError(
                .invalidInput, "cannot ask Nix for the closure",
                reason: "'nix-store \(options.joined(separator: " "))' \(end)\(message.isEmpty ? "" : " (\(message))")",
                remedy: Self.otherSources)
        }
        return command.output
    }

    /// The option that names the store to Nix. The root is encoded, since `?` and `&` have a meaning in a store URL.
    private static func option(root: FilePath) -> [String] {
        if root == "/" { return [] }
        var text = ""
        for byte in root.bytes {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "-"),
                UInt8(ascii: "_"):
                text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                text += "%" + byte.digits(width: 2)
            }
        }
        return ["--store", "local?root=\(text)"]
    }
}
