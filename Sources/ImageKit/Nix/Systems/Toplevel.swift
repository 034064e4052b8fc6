import SystemPackage

/// A system's top directory (`nixos-system-...`): what boots, and how it wants to be booted.
///
/// It is described by its bootspec (`boot.json`) where it has one, and otherwise by the links and texts that every
/// toplevel has: `kernel`, `initrd`, `kernel-params`, `specialisation/<name>`. Device trees are a link in both cases.
public struct Toplevel: Sendable, Hashable {
    /// A variant of a system that its menu offers besides it.
    public struct Specialisation: Sendable, Hashable {
        /// Its name; no control characters and no slash.
        public let name: String
        /// The system, which has no specialisations of its own.
        public let toplevel: Toplevel
    }

    /// The store path of the system. Where a root was a link to one, this is where it leads.
    public let path: StorePath
    /// The kernel's file.
    public let kernel: StorePlace
    /// The initial RAM disk, where the system has one.
    public let initrd: StorePlace?
    /// The directory of device trees, where the system has one.
    public let deviceTrees: StorePlace?
    /// The program that the kernel starts: `init=<this>` belongs on its command line.
    public let initPath: String
    /// What goes on the kernel's command line, besides `init=`. May be empty.
    public let kernelParameters: String
    /// The version label: `22.11.20230331.fc4a4f3`.
    public let version: String
    /// What it runs on, such as `aarch64-linux`, where the system says it.
    public let system: String?
    /// Whether it describes itself in the form of bootspec (`boot.json`).
    public let hasBootspec: Bool
    /// Its variants, by name.
    public let specialisations: [Specialisation]

    /// Reads a store path as a system; `nil` where it is none, which is where `init`, `nixos-version` or `kernel` is
    /// missing.
    ///
    /// - Throws: when it is a system, but something it names is missing or not in the store, or a text in it is not one
    ///   line of UTF-8.
    public init?(_ path: StorePath, in store: StoreLocation) throws(ImageError) {
        // A store path may be a link to anywhere; then it is no system.
        guard let top = try? store.follow(store.physical(path)), top.subPath.isEmpty else { return nil }
        for name in ["init", "nixos-version", "kernel"] where !HostPath.has(name, in: top.physical) { return nil }
        try self.init(top, Self.bootspec(of: top, store), in: store)
    }

    private init(
        _ top: StorePlace, _ spec: Bootspec?, in store: StoreLocation, isSpecialisation: Bool = false
    ) throws(ImageError) {
        let entry = spec?.entry
        func place(_ said: String?, else name: String) throws(ImageError) -> StorePlace? {
            if let said { return try store.follow(FilePath(Self.checked(said, of: top))) }
            return HostPath.has(name, in: top.physical) ? try store.follow(top.physical.appending(name)) : nil
        }
        guard let kernel = try place(entry?.kernel, else: "kernel") else {
            throw ImageError(
                .notFound, "cannot boot", path: top.physical.string, reason: "it names no kernel",
                remedy: "build a system with boot.kernel.enable, or use '--boot none'")
        }
        path = top.path
        self.kernel = kernel
        // A bootspec without an initrd is a system without one, whatever links are there.
        initrd = entry != nil && entry?.initrd == nil ? nil : try place(entry?.initrd, else: "initrd")
        deviceTrees = try place(nil, else: "dtbs")
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

    /// The first of `roots` that is a system; `nil` where none is.
    public static func find(in roots: [StorePath], of store: StoreLocation) throws(ImageError) -> Toplevel? {
        for root in roots {
            if let toplevel = try Toplevel(root, in: store) { return toplevel }
        }
        return nil
    }

    // MARK: Specialisations

    private static func specialisations(
        of top: StorePlace, _ spec: Bootspec?, in store: StoreLocation
    ) throws(ImageError) -> [Specialisation] {
        var found: [Specialisation] = []
        if let listed = spec?.specialisations {
            for (name, child) in listed.sorted(by: { $0.key < $1.key }) {
                guard let path = child.entry?.toplevel else {
                    throw ImageError(
                        .invalidInput, "cannot boot the specialisation", path: name,
                        reason: "the system's bootspec does not say where its toplevel is",
                        remedy: "build the system again")
                }
                let place = try store.follow(FilePath(checked(path, of: top)))
                found.append(
                    Specialisation(
                        name: try checkedName(name),
                        toplevel: try Toplevel(place, child, in: store, isSpecialisation: true)))
            }
            return found
        }
        guard HostPath.has("specialisation", in: top.physical) else { return [] }
        let directory = try store.follow(top.physical.appending("specialisation")).physical
        let names = try DirectoryNames.read(directory: directory)
        for index in 0..<names.count {
            guard let name = String(validating: names[index], as: UTF8.self) else {
                throw ImageError(
                    .invalidInput, "a specialisation has a name that is not UTF-8, in", path: directory.string,
                    remedy: "rename it")
            }
            let place = try store.follow(directory.appending(name))
            let child = try bootspec(of: place, store)
            found.append(
                Specialisation(
                    name: try checkedName(name),
                    toplevel: try Toplevel(place, child, in: store, isSpecialisation: true)))
        }
        return found.sorted { $0.name < $1.name }
    }

    /// A name as a boot menu and a directory can have it.
    private static func checkedName(_ name: String) throws(ImageError) -> String {
        let isFit = !name.isEmpty && name.utf8.count <= 64 && !name.hasPrefix(".") && !name.utf8.contains(0x2F)
        guard isFit, name.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw ImageError(
                .invalidInput, "a boot menu cannot offer the specialisation", path: name,
                reason:
                    "its name is empty, longer than 64 bytes, begins with a dot, or has a slash or control character",
                remedy: "rename it")
        }
        return name
    }

    // MARK: Reading

    private static func bootspec(of top: StorePlace, _ store: StoreLocation) throws(ImageError) -> Bootspec? {
        guard HostPath.has("boot.json", in: top.physical) else { return nil }
        return try Bootspec.read(store.follow(top.physical.appending("boot.json")).physical)
    }

    /// A text of the bootspec, which goes into a menu of lines.
    private static func checked(_ text: String, of top: StorePlace) throws(ImageError) -> String {
        guard text.utf8.count <= maximumLength, text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw ImageError(
                .invalidInput, "cannot boot with", path: top.physical.appending("boot.json").string,
                reason: "a text in it is longer than \(maximumLength) bytes or has a control character",
                remedy: "build the system again")
        }
        return text
    }

    /// The kernel takes at most a few KiB of command line; other texts are shorter.
    private static let maximumLength = 64 << 10

    /// A file of one line, without spaces and line ends at its end; `nil` where there is no such file.
    private static func line(
        _ name: String, in top: StorePlace, _ store: StoreLocation
    ) throws(ImageError) -> String? {
        guard HostPath.has(name, in: top.physical) else { return nil }
        let place = try store.follow(top.physical.appending(name))
        func refuse(_ reason: String) -> ImageError {
            ImageError(
                .invalidInput, "cannot boot with the text in", path: place.physical.string, reason: reason,
                remedy: "build a system whose '\(name)' is one line of text")
        }
        var bytes = try WholeFile.read(place.physical, atMost: maximumLength)
        while let last = bytes.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: " ") { bytes.removeLast() }
        // One more line would be one more entry in a boot menu.
        if let place = bytes.firstIndex(where: { $0 < 0x20 || $0 == 0x7F }) {
            let isEnd = bytes[place] == UInt8(ascii: "\n")
            throw refuse(isEnd ? "it has several lines" : "byte \(place) is a control character")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw refuse("it is not UTF-8") }
        return text
    }
}
