import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A system's top folder (`nixos-system-...`): what boots, and how it wants to be booted.
public struct Toplevel: Sendable, Hashable {
    /// The store path of the system. Where a root was a link to one, this is where it leads.
    public let path: StorePath
    /// The kernel's file.
    public let kernel: StorePlace
    /// The initial RAM disk, where the system has one.
    public let initrd: StorePlace?
    /// The folder of device trees, where the system has one.
    public let deviceTrees: StorePlace?
    /// What goes on the kernel's command line, besides `init=`. May be empty.
    public let kernelParameters: String
    /// The version label: `22.11.20230331.fc4a4f3`.
    public let version: String
    /// What it runs on, such as `aarch64-linux`, where the system says it.
    public let system: String?
    /// Whether it describes itself in the form of bootspec (`boot.json`) too.
    public let hasBootspec: Bool

    /// The program that the kernel starts: `init=<this>` belongs on its command line.
    public var initPath: String { "\(path.path)/init" }

    /// Reads a store path as a system; `nil` where it is none, which is where `init`, `nixos-version` or `kernel` is
    /// missing.
    ///
    /// - Throws: when it is a system, but something it names is missing or not in the store, or a text in it is not one
    ///   line of UTF-8.
    public init?(_ path: StorePath, in store: StoreLocation) throws(ImageError) {
        // A store path may be a link to anywhere; then it is no system.
        guard let top = try? store.follow(store.physical(path)), top.subPath.isEmpty else { return nil }
        for name in ["init", "nixos-version", "kernel"] where !Self.has(name, in: top) { return nil }
        self.path = top.path
        kernel = try store.follow(top.physical.appending("kernel"))
        initrd = try Self.has("initrd", in: top) ? store.follow(top.physical.appending("initrd")) : nil
        deviceTrees = try Self.has("dtbs", in: top) ? store.follow(top.physical.appending("dtbs")) : nil
        kernelParameters = try Self.line("kernel-params", in: top, store) ?? ""
        version = try Self.line("nixos-version", in: top, store) ?? ""
        system = try Self.line("system", in: top, store)
        hasBootspec = Self.has("boot.json", in: top)
    }

    /// The first of `roots` that is a system; `nil` where none is.
    public static func find(in roots: [StorePath], of store: StoreLocation) throws(ImageError) -> Toplevel? {
        for root in roots {
            if let toplevel = try Toplevel(root, in: store) { return toplevel }
        }
        return nil
    }

    private static func has(_ name: String, in top: StorePlace) -> Bool {
        if case .success = StoreWalk.status(of: top.physical.appending(name)) { true } else { false }
    }

    /// The kernel takes at most a few KiB of command line; other texts are shorter.
    private static let maximumLength = 64 << 10

    /// A file of one line, without spaces and line ends at its end; `nil` where there is no such file.
    private static func line(
        _ name: String, in top: StorePlace, _ store: StoreLocation
    ) throws(ImageError) -> String? {
        guard has(name, in: top) else { return nil }
        let place = try store.follow(top.physical.appending(name))
        func refuse(_ reason: String) -> ImageError {
            ImageError(
                .invalidInput, "cannot boot with the text in", path: place.physical.string, reason: reason,
                remedy: "build a system whose '\(name)' is one line of text")
        }
        var bytes = try read(place.physical)
        if bytes.count > maximumLength { throw refuse("it has more than \(maximumLength) bytes") }
        while let last = bytes.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: " ") { bytes.removeLast() }
        // One more line would be one more entry in a boot menu.
        if let place = bytes.firstIndex(where: { $0 < 0x20 || $0 == 0x7F }) {
            let isEnd = bytes[place] == UInt8(ascii: "\n")
            throw refuse(isEnd ? "it has several lines" : "byte \(place) is a control character")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw refuse("it is not UTF-8") }
        return text
    }

    /// At most one byte more than is allowed.
    private static func read(_ file: FilePath) throws(ImageError) -> [UInt8] {
        // Not blocking, in case it is a FIFO.
        let descriptor = file.withPlatformString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
        guard descriptor >= 0 else { throw .system(Errno(rawValue: errno), "cannot open", path: file) }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: maximumLength + 1)
        var used = 0
        while used < bytes.count {
            let count = bytes.withUnsafeMutableBytes { buffer in
                pread(descriptor, buffer.baseAddress.map { $0 + used }, buffer.count - used, off_t(used))
            }
            if count == 0 { break }
            if count > 0 {
                used += count
            } else if errno != EINTR {
                throw .system(Errno(rawValue: errno), "cannot read", path: file)
            }
        }
        bytes.removeSubrange(used...)
        return bytes
    }
}
