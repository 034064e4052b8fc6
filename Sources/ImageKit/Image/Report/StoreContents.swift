/// The store paths of an image, by the names in its store directory, and their registration.
struct StoreContents {
    /// The largest registration that is read, in bytes. Real ones have a few megabytes.
    private static let maximumRegistrationSize: UInt64 = 1 << 28

    let volume: ImageVolume
    /// The store paths, sorted by their file names.
    let paths: [StorePath]
    /// `nil` where the image has no registration, or one that cannot be parsed.
    let registration: Registration?

    /// Lists the store; `nil` where the filesystem has none.
    init?(_ volume: ImageVolume?) throws(ImageError) {
        guard let volume, let directory = try volume.node(at: StorePath.directory), directory.kind == .directory else {
            return nil
        }
        self.volume = volume
        paths = try directory.names().compactMap { StorePath(entry: $0) }
        guard let file = try volume.node(at: StoreCheck.registrationPath), file.kind == .file,
            file.size <= Self.maximumRegistrationSize
        else {
            registration = nil
            return
        }
        let text = try file.content().read(Int(file.size), at: 0)
        registration = try? Registration(parsing: text, file: StoreCheck.registrationPath)
    }

    /// The file or directory at a store path that ``paths`` lists.
    /// - Throws: ``ImageError/Code/corrupt`` when the directory lists the name but a search for it finds nothing.
    func node(of path: StorePath) throws(ImageError) -> ImageNode {
        guard let node = try volume.node(at: path.path) else {
            throw ImageError(.corrupt, "cannot find what is listed in the store:", path: path.path)
        }
        return node
    }
}
