/// Where the registration of an image's store is.
extension StoreCheck {
    /// Where NixOS' first boot looks for it, deleting it once Nix' database has it.
    static let registrationPath = "/nix-path-registration"
    /// Nix' database.
    static let databasePath = "/nix/var/nix/db/db.sqlite"
    /// No store has a longer one: this is that of some 100,000 paths.
    private static let largestRegistration: UInt64 = 64 << 20
    /// As many directories, and as many files, are looked at in search of a registration under another name.
    private static let searchLimit = 2000

    /// What is registered; `nil` where nothing is, of which a finding says why.
    func registration() throws(ImageError) -> Registration? {
        var place: (path: String, node: FileTree.NodeID)?
        if let node = tree.node(at: Self.registrationPath), tree.kind(of: node) == .file {
            place = (Self.registrationPath, node)
        } else if tree.node(at: Self.databasePath) != nil {
            onFinding(Finding(.storeDatabase, "there is a database, and no registration", path: Self.databasePath))
            return nil
        } else {
            place = try search()
        }
        guard let place else {
            onFinding(
                Finding(
                    .storeUnregistered, "there is neither a registration nor a database",
                    path: Self.registrationPath))
            return nil
        }
        guard tree.size(of: place.node) <= Self.largestRegistration else {
            onFinding(
                Finding(
                    .storeRegistration, "it has \(tree.size(of: place.node)) bytes, which no store needs",
                    path: place.path))
            return nil
        }
        do {
            let bytes = try tree.read(place.node, atMost: Int(Self.largestRegistration))
            guard !bytes.isEmpty else {
                onFinding(Finding(.storeRegistration, "it is empty", path: place.path))
                return nil
            }
            return try Registration(parsing: bytes, file: place.path)
        } catch {
            guard error.blame.isInput else { throw error }
            onFinding(Finding(.storeRegistration, error.reason ?? error.message, path: place.path))
            return nil
        }
    }

    /// Looks outside of the store for a file of the form that a registration has, directories near the root first.
    private func search() throws(ImageError) -> (path: String, node: FileTree.NodeID)? {
        var directories: [(path: String, node: FileTree.NodeID)] = [("", tree.root)]
        var next = 0, files = 0
        while next < directories.count, next < Self.searchLimit {
            let directory = directories[next]
            next += 1
            for (name, node) in tree.children(of: directory.node) {
                let path = directory.path + "/" + String(decoding: name, as: UTF8.self)
                switch tree.kind(of: node) {
                case .directory: if node != store { directories.append((path, node)) }
                case .symlink: break
                case .file:
                    guard tree.size(of: node) > 100, files < Self.searchLimit else { continue }
                    files += 1
                    do {
                        if Self.looksRegistered(try tree.read(node, atMost: 512)) { return (path, node) }
                    } catch {
                        guard error.blame.isInput else { throw error }
                    }
                }
            }
        }
        return nil
    }

    /// Whether a text begins with a store path, a line feed, and the hash of a NAR.
    private static func looksRegistered(_ head: [UInt8]) -> Bool {
        guard head.starts(with: Array("/nix/store/".utf8)) else { return false }
        let lines = head.split(separator: UInt8(ascii: "\n"), maxSplits: 2, omittingEmptySubsequences: false)
        guard lines.count == 3, (try? StorePath(pathBytes: lines[0])) != nil else { return false }
        if case .success = NARHash.parse(lines[1]) { return true }
        return false
    }
}
