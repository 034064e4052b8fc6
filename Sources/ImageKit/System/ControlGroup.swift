import SystemPackage

/// The memory that control groups allow a process. A container or a service may have much less than the machine.
///
/// ```
///   /proc/self/cgroup    0::/machine/build-7                    version 2
///                        4:memory:/machine/build-7              version 1
///   /sys/fs/cgroup       /machine/build-7/memory.max            each parent group may have a limit too
///   /sys/fs/cgroup/memory/machine/build-7/memory.limit_in_bytes
/// ```
///
/// (cgroups(7); The Linux kernel's documentation, "Control Group v2", section "Memory Interface Files", and "Memory
/// Resource Controller".)
struct ControlGroup {
    /// The directory at which the hierarchy of groups is mounted.
    let root: FilePath
    /// The path of the process's group below the root, as the process sees it. In a container it may differ from the
    /// path in the mounted hierarchy.
    let path: FilePath
    private let names: Names

    /// The names of the files and figures in a version.
    private struct Names {
        let limit: String, used: String, cached: [String]
        static let first = Names(
            limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes",
            cached: ["total_active_file", "total_inactive_file"])
        static let second = Names(
            limit: "memory.max", used: "memory.current", cached: ["active_file", "inactive_file"])
    }

    /// The group that limits the memory of a process.
    ///
    /// - Parameter groups: the text of the process's `/proc/self/cgroup`.
    init?(_ groups: [UInt8], root: FilePath = "/sys/fs/cgroup") {
        var found: ControlGroup?
        for line in groups.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let path = FilePath(bytes: fields[2]).lexicallyNormalized()
            if fields[1].split(separator: UInt8(ascii: ",")).contains(where: { $0.elementsEqual("memory".utf8) }) {
                // If both versions are in use, version 1 accounts for memory.
                self.init(root: root.appending("memory"), path: path, names: .first)
                return
            }
            if fields[1].isEmpty { found = ControlGroup(root: root, path: path, names: .second) }
        }
        guard let found else { return nil }
        self = found
    }

    private init(root: FilePath, path: FilePath, names: Names) {
        (self.root, self.path, self.names) = (root, path, names)
    }

    /// Bytes that the process may still use, counting the page cache as free; `nil` if there is no limit.
    var spare: UInt64? {
        var spare: UInt64?
        // The limits of the parent groups apply, too.
        var group = path
        while true {
            let directory = root.pushing(FilePath(root: nil, group.components))
            if let limit = number(in: directory.appending(names.limit)),
                let used = number(in: directory.appending(names.used))
            {
                let kept = used - min(used, cached(in: directory))
                spare = min(spare ?? .max, limit - min(limit, kept))
            }
            guard !group.components.isEmpty else { return spare }
            group.removeLastComponent()
        }
    }

    /// The number in a file; `nil` if the file is missing or says `max`.
    private func number(in file: FilePath) -> UInt64? {
        guard let text = try? WholeFile.read(file, atMost: 64) else { return nil }
        return UInt64(String(decoding: text.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    /// Bytes of the page cache, which the kernel frees when other memory is needed.
    private func cached(in directory: FilePath) -> UInt64 {
        guard let text = try? WholeFile.read(directory.appending("memory.stat"), atMost: 1 << 16) else { return 0 }
        return text.split(separator: UInt8(ascii: "\n")).reduce(0) { sum, line in
            let words = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard words.count == 2, names.cached.contains(words[0]) else { return sum }
            return sum.addingClamping(UInt64(words[1]) ?? 0)
        }
    }
}
