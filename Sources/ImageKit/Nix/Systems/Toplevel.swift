import SystemPackage

/// A system's top directory (`nixos-system-...`): the files that boot it, and their parameters.
///
/// They are read from its bootspec (`boot.json`) if it has one, otherwise from the links and texts that every toplevel
/// has: `kernel`, `initrd`, `kernel-params`, `specialisation/<name>`. Device trees are a link in both cases.
public struct Toplevel: Sendable, Hashable {
    /// A variant of a system, which has its own entry in the menu.
    public struct Specialisation: Sendable, Hashable {
        /// Its name, without control characters and slashes.
        public let name: String
        /// Its toplevel, which has no specialisations.
        public let toplevel: Toplevel
    }

    /// The store path of the system. If a root is a symbolic link to a system, this is its target.
    public let path: StorePath
    /// The kernel's file.
    public let kernel: ResolvedStorePath
    /// The initial RAM disk, if the system has one.
    public let initrd: ResolvedStorePath?
    /// The directory of device trees, if the system has one.
    public let deviceTrees: ResolvedStorePath?
    /// The program that the kernel starts, for `init=` on its command line.
    public let initPath: String
    /// The kernel's command line without `init=`. May be empty.
    public let kernelParameters: String
    /// The version label: `22.11.20230331.fc4a4f3`.
    public let version: String
    /// The platform, such as `aarch64-linux`, if the system names it.
    public let system: String?
    /// Whether it has a bootspec (`boot.json`).
    public let hasBootspec: Bool
    /// Its variants, by name.
    public let specialisations: [Specialisation]

    /// Reads a system; `nil` if the store path is not one because `init`, `nixos-version` or `kernel` is missing.
    ///
    /// - Throws: when a file that the system names is missing or not in the store, or a text in it is not one line of
    ///   UTF-8.
    public init?(_ path: StorePath, in store: StoreLocation) throws(ImageError) {
        // A store path may be a link that leads out of the store. Then it is no system.
        guard let top = try? store.follow(store.physical(path)), top.subPath.isEmpty else { return nil }
        for name in ["init", "nixos-version", "kernel"] where !FileStatus.exists(name, in: top.physical) { return nil }
        try self.init(top, Self.bootspec(of: top, store), in: store)
    }

    private init(
        _ top: ResolvedStorePath, _ spec: Bootspec?, in store: StoreLocation, isSpecialisation: Bool = false
    ) throws(ImageError) {
        let entry = spec?.entry
        /// The file that the bootspec names, or else the target of a link in the toplevel.
        func file(_ path: String?, else name: String) throws(ImageError) -> ResolvedStorePath? {
            if let path { return try store.follow(FilePath(Self.checked(path, of: top))) }
            return FileStatus.exists(name, in: top.physical) ? try store.follow(top.physical.appending(name)) : nil
        }
        guard let kernel = try file(entry?.kernel, else: "kernel") else {
            throw ImageError(
                .notFound, "cannot boot", path: top.physical.string, reason: "it names no kernel",
                remedy: "build a system with boot.kernel.enable, or use '\(.boot, "none")'")
        }
        path = top.path
        self.kernel = kernel
        // A bootspec without an initrd means that the system has none, even if there is a link.
        initrd = entry != nil && entry?.initrd == nil ? nil : try file(entry?.initrd, else: "initrd")
        deviceTrees = try file(nil, else: "dtbs")
        initPath =
            try entry?.`init`.map { text throws(ImageError) in try Self.checked(text, of: top) }
            ?? "\(top.path.path)/init"
        kernelParameters =
            if let parameters = entry?.kernelParams {
                try Self.checked(parameters.joined(separator: " "), of: top)
            } else { try Self.line("kernel-params", in: top, store) ?? "" }
        version = try Self.line("nixos-version", in: top, store) ?? ""
        system =
            if let system = entry?.system { try Self.checked(system, of: top) } else {
                try Self.line("system", in: top, store)
            }
        hasBootspec = entry != nil
        specialisations = isSpecialisation ? [] : try Self.specialisations(of: top, spec, in: store)
    }

    /// The first of `roots` that is a system; `nil` if no root is.
    public static func find(in roots: [StorePath], of store: StoreLocation) throws(ImageError) -> Toplevel? {
        for root in roots {
            if let toplevel = try Toplevel(root, in: store) { return toplevel }
        }
        return nil
    }

    // MARK: Specialisations

    private static func specialisations(
        of top: ResolvedStorePath, _ spec: Bootspec?, in store: StoreLocation
    ) throws(ImageError) -> [Specialisation] {
        if let listed = spec?.specialisations { return try specialisations(listed, of: top, in: store) }
        guard FileStatus.exists("specialisation", in: top.physical) else { return [] }
        let directory = try store.follow(top.physical.appending("specialisation")).physical
        let names = try DirectoryNames.read(directory: directory)
        var found: [Specialisation] = []
        for index in 0..<names.count {
            guard let name = String(validating: names[index], as: UTF8.self) else {
                throw ImageError(
                    .invalidInput, "a specialisation has a name that is not UTF-8, in", path: directory.string,
                    remedy: "rename it")
            }
            let child = try store.follow(directory.appending(name))
            let childSpec = try bootspec(of: child, store)
            found.append(
                Specialisation(
                    name: try checkedName(name),
                    toplevel: try Toplevel(child, childSpec, in: store, isSpecialisation: true)))
        }
        return found.sorted { $0.name < $1.name }
    }

    /// The specialisations that a bootspec lists, by name.
    private static func specialisations(
        _ listed: [String: Bootspec], of top: ResolvedStorePath, in store: StoreLocation
    ) throws(ImageError) -> [Specialisation] {
        var found: [Specialisation] = []
        for (name, spec) in listed.sorted(by: { $0.key < $1.key }) {
            guard let path = spec.entry?.toplevel else {
                throw ImageError(
                    .invalidInput, "cannot boot the specialisation", path: name,
                    reason: "the system's bootspec does not say where its toplevel is",
                    remedy: "build the system again")
            }
            let child = try store.follow(FilePath(checked(path, of: top)))
            found.append(
                Specialisation(
                    name: try checkedName(name),
                    toplevel: try Toplevel(child, spec, in: store, isSpecialisation: true)))
        }
        return found
    }

    /// Checks that a name can be used in a boot menu and for a directory.
    private static func checkedName(_ name: String) throws(ImageError) -> String {
        let isFileName = !name.isEmpty && name.utf8.count <= 64 && !name.hasPrefix(".") && !name.utf8.contains(0x2F)
        guard isFileName, name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw ImageError(
                .invalidInput, "a boot menu cannot offer the specialisation", path: name,
                reason:
                    "its name is empty, longer than 64 bytes, begins with a dot, or has a slash or control character",
                remedy: "rename it")
        }
        return name
    }

    // MARK: Reading

    private static func bootspec(of top: ResolvedStorePath, _ store: StoreLocation) throws(ImageError) -> Bootspec? {
        guard FileStatus.exists("boot.json", in: top.physical) else { return nil }
        return try Bootspec.read(store.follow(top.physical.appending("boot.json")).physical)
    }

    /// Checks that a text of the bootspec can be used in a line of a menu.
    private static func checked(_ text: String, of top: ResolvedStorePath) throws(ImageError) -> String {
        guard text.utf8.count <= maximumLength, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw ImageError(
                .invalidInput, "cannot boot with", path: top.physical.appending("boot.json").string,
                reason: "a text in it is longer than \(maximumLength) bytes or has a control character",
                remedy: "build the system again")
        }
        return text
    }

    /// The longest text that is read, in bytes. A kernel accepts a few KiB of command line; other texts are shorter.
    private static let maximumLength = 64 << 10

    /// The text of a file with one line, without trailing spaces and line feeds; `nil` if there is no such file.
    private static func line(
        _ name: String, in top: ResolvedStorePath, _ store: StoreLocation
    ) throws(ImageError) -> String? {
        guard FileStatus.exists(name, in: top.physical) else { return nil }
        let file = try store.follow(top.physical.appending(name)).physical
        func refuse(_ reason: String) -> ImageError {
            ImageError(
                .invalidInput, "cannot boot with the text in", path: file.string, reason: reason,
                remedy: "build a system whose '\(name)' is one line of text")
        }
        var bytes = try WholeFile.read(file, atMost: maximumLength)
        while let last = bytes.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: " ") { bytes.removeLast() }
        // A second line would be a line of its own in a boot menu.
        if let offset = bytes.firstIndex(where: { $0 < 0x20 || $0 == 0x7F }) {
            let isLineFeed = bytes[offset] == UInt8(ascii: "\n")
            throw refuse(isLineFeed ? "it has several lines" : "byte \(offset) is a control character")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw refuse("it is not UTF-8") }
        return text
    }
}
