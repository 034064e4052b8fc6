import SystemPackage

/// Asking Nix itself what it knows of a closure.
struct NixStore {
    private static let program = "nix-store"
    /// How many bytes of store paths go on one command line: every system takes 128 KiB with the environment.
    private static let batchSize = 64 << 10

    private let storeOption: [String]
    private let progress: Progress?

    init(store: StoreLocation, progress: Progress?) throws(ImageError) {
        switch StoreWalk.real(store.root) {
        case .success(let root): storeOption = Self.option(root: root)
        case .failure(let errno):
            throw .system(
                errno, "there is no Nix store at", path: store.directory,
                remedy: "say with --store-root which folder holds nix/store")
        }
        self.progress = progress
    }

    /// The registration of the closure of `roots`, as Nix's database has it.
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

    private func run(_ options: [String], _ paths: [StorePath]) throws(ImageError) -> [UInt8] {
        let command: Subprocess
        do throws(ImageError) {
            command = try Subprocess.run(Self.program, storeOption + options + paths.map(\.path), progress: progress)
        } catch let error where error.code == .notFound {
            throw ImageError(
                .notFound, "cannot ask Nix for the closure", reason: "there is no 'nix-store' in PATH",
                remedy: "give a registration with --registration, or find the closure with --scan-references")
        }
        guard command.status == 0 else {
            let said = command.lastErrors
            let end = command.status > 128 ? "was ended by signal \(command.status - 128)" : "failed"
            throw ImageError(
                .invalidInput, "cannot ask Nix for the closure",
                reason: "'nix-store \(options.joined(separator: " "))' \(end)\(said.isEmpty ? "" : " (\(said))")",
                remedy: "give a registration with --registration, or find the closure with --scan-references")
        }
        return command.output
    }

    /// Names the store to Nix. The root is encoded, as `?` and `&` have a meaning in the place where it stands.
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
