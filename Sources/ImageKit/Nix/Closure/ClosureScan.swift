import Glibc
import SystemPackage

/// Finds a closure as Nix does after a build: by the hash parts in the NAR of each path.
///
/// Nix searches only for the paths that a build had access to; this searches for every path of the store. So it finds
/// all references that Nix found. It also finds references that Nix does not record on purpose: those that
/// `unsafeDiscardReferences` discards, and those in source trees.
struct ClosureScan {
    private let store: StoreLocation
    /// The paths to search for, sorted. Their indices are those of ``parts``.
    private let candidates: [StorePath]
    private let parts: HashParts
    private let progress: Progress?

    /// Lists the paths of `store` and adds `roots`. The store's derivations are left out: no program needs them to run.
    init(roots: [StorePath], store: StoreLocation, progress: Progress?) throws(ImageError) {
        self.store = store
        self.progress = progress
        var paths = Set(roots)
        for name in try Self.names(in: store.directory) {
            guard let path = StorePath(entry: name), !path.isDerivation else { continue }
            paths.insert(path)
        }
        // Nix's locks and build directories are beside the path that they belong to and share its hash part. They are
        // left out, unless they are roots.
        candidates = paths.filter { path in
            guard let suffix = Self.workSuffixes.first(where: path.baseName.hasSuffix) else { return true }
            guard let owner = StorePath(entry: path.baseName.utf8.dropLast(suffix.count)) else { return true }
            return roots.contains(path) || !(paths.contains(owner) || owner.isDerivation)
        }.sorted()
        parts = HashParts(candidates)
    }

    private static let workSuffixes = [".lock", ".chroot", ".check"]

    private static func names(in directory: FilePath) throws(ImageError) -> [[UInt8]] {
        let descriptor = directory.withPlatformString { open($0, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else {
            throw .system(
                .current, "there is no Nix store at", path: directory,
                remedy: "say with \(.storeRoot) which folder holds nix/store")
        }
        defer { close(descriptor) }
        switch DirectoryNames.read(descriptor) {
        case .success(let names): return (0..<names.count).map { names[$0] }
        case .failure(let errno): throw .system(errno, "cannot list", path: directory)
        }
    }

    /// The state that the threads share.
    private struct Work {
        var waiting: [StorePath]
        var seen: Set<StorePath>
        var active = 0
        var found: [PathInfo] = []
        var failure: ImageError?
    }

    private enum Task {
        case scan(StorePath)
        case stop
    }

    /// Scans `roots` and all paths that they lead to, several at a time.
    /// - Returns: the registration entries of the paths, in no particular order.
    func run(roots: [StorePath], threads count: Int) throws(ImageError) -> [PathInfo] {
        let work = Monitor(Work(waiting: roots.reversed(), seen: Set(roots)))
        var threads = Threads()
        try threads.start(upTo: max(1, min(count, candidates.count))) { [self] in scanPaths(work) }
        threads.join()
        return try work.change { state -> Result<[PathInfo], ImageError> in
            state.failure.map { .failure($0) } ?? .success(state.found)
        }.get()
    }

    private func scanPaths(_ work: Monitor<Work>) {
        var writer = NARWriter()
        var scanner = ReferenceScanner(parts)
        while true {
            let task = work.wait { state -> Task? in
                if state.failure != nil { return .stop }
                if let path = state.waiting.popLast() {
                    state.active += 1
                    return .scan(path)
                }
                return state.active == 0 ? .stop : nil
            }
            guard case .scan(let path) = task else { return }
            do throws(ImageError) {
                let info = try scan(path, &writer, &scanner)
                work.change { state in
                    state.active -= 1
                    state.found.append(info)
                    for reference in info.references where state.seen.insert(reference).inserted {
                        state.waiting.append(reference)
                    }
                }
                progress?.advance()
            } catch {
                work.change { state in
                    state.active -= 1
                    state.failure = state.failure ?? error
                }
            }
        }
    }

    private func scan(
        _ path: StorePath, _ writer: inout NARWriter, _ scanner: inout ReferenceScanner
    ) throws(ImageError) -> PathInfo {
        var hasher = NARHasher()
        // The NAR is searched instead of the files alone, because it also has their names and the targets of links.
        try writer.write(store.physical(path)) { (chunk) throws(ImageError) in
            try progress?.checkCancelled()
            hasher.update(chunk)
            scanner.scan(chunk)
        }
        let (hash, size) = try hasher.finish()
        var references: [StorePath] = []
        for number in scanner.finish() { references.append(try candidate(number, referrer: path)) }
        return PathInfo(path: path, narHash: hash, narSize: size, references: references)
    }

    /// The path of a hash part that was found, by its index.
    /// - Throws: if several paths have this hash part.
    private func candidate(_ number: Int, referrer: StorePath) throws(ImageError) -> StorePath {
        let path = candidates[number]
        if candidates.indices.contains(number + 1), candidates[number + 1].hashPart == path.hashPart {
            throw ImageError(
                .invalidInput, "cannot tell which path is meant by a reference of", path: referrer.path,
                reason: "'\(path.path)' and '\(candidates[number + 1].path)' have the same hash",
                remedy: "delete the one that Nix did not make, or use \(.registration)")
        }
        return path
    }
}
