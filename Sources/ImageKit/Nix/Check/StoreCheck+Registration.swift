/// Finds and reads the registration of an image's store.
extension StoreCheck {
    /// The path at which NixOS' first boot looks for it. It is deleted once Nix's database has the paths.
    static let registrationPath = "/nix-path-registration"
    /// Nix's database.
    static let databasePath = "/nix/var/nix/db/db.sqlite"
    /// The longest registration that is read, in bytes: that of about 100,000 paths. No store's is longer.
    private static let maximumSize: UInt64 = 64 << 20
    /// How many directories, and how many files, are searched for a registration of another name.
    private static let maximumSearched = 2000

    /// The registration; `nil` if it is missing or damaged. Then a finding gives the reason.
    func registration() throws(ImageError) -> Registration? {
        var found: (path: String, node: FileTree.NodeID)?
        if let node = tree.node(at: Self.registrationPath), tree.kind(of: node) == .file {
            found = (Self.registrationPath, node)
        } else if tree.node(at: Self.databasePath) != nil {
            onFinding(Finding(.storeDatabase, "there is a database, and no registration", path: Self.databasePath))
            return nil
        } else {
            found = try search()
        }
        guard let found else {
            onFinding(
                Finding(
                    .storeUnregistered, "there is neither a registration nor a database",
                    path: Self.registrationPath))
            return nil
        }
        guard tree.size(of: found.node) <= Self.maximumSize else {
            onFinding(
                Finding(
                    .storeRegistration, "it has \(tree.size(of: found.node)) bytes, which no store needs",
                    path: found.path))
            return nil
        }
        do {
            let bytes = try tree.read(found.node, atMost: Int(Self.maximumSize))
            guard !bytes.isEmpty else {
                onFinding(Finding(.storeRegistration, "it is empty", path: found.path))
                return nil
            }
            return try Registration(parsing: bytes, file: found.path)
        } catch {
            guard error.blame.isInput else { throw error }
            onFinding(Finding(.storeRegistration, error.reason ?? error.message, path: found.path))
            return nil
        }
    }

    /// Searches outside the store for a file with the format of a registration, in directories near the root first.
    private func search() throws(ImageError) -> (path: String, node: FileTree.NodeID)? {
        var directories: [(path: String, node: FileTree.NodeID)] = [("", tree.root)]
        var next = 0, files = 0
        while next < directories.count, next < Self.maximumSearched {
            let directory = directories[next]
            next += 1
            for (name, node) in tree.children(of: directory.node) {
                let path = directory.path + "/" + String(decoding: name, as: UTF8.self)
                switch tree.kind(of: node) {
                case .directory: if node != store { directories.append((path, node)) }
                case .symlink: break
                case .file:
                    guard tree.size(of: node) > 100, files < Self.maximumSearched else { continue }
                    files += 1
                    do {
                        if Self.isRegistration(head: try tree.read(node, atMost: 512)) { return (path, node) }
                    } catch {
                        guard error.blame.isInput else { throw error }
                    }
                }
            }
        }
        return nil
    }

    /// Whether a file begins with a line that is a store path, and a line that is the hash of a NAR.
    private static func isRegistration(head: [UInt8]) -> Bool {
        guard head.starts(with: Array("/nix/store/".utf8)) else { return false }
        let lines = head.split(separator: UInt8(ascii: "\n"), maxSplits: 2, omittingEmptySubsequences: false)
        guard lines.count == 3, (try? StorePath(pathBytes: lines[0])) != nil else { return false }
        if case .success = NARHash.parse(lines[1]) { return true }
        return false
    }
}
