import SystemPackage

/// The memory that control groups leave to a process: a container's, or a service's, may be much less than the machine's.
///
/// ```
///   /proc/self/cgroup    0::/machine/build-7                    version 2
///                        4:memory:/machine/build-7              version 1
///   /sys/fs/cgroup       /machine/build-7/memory.max            each group above it may have a limit too
///   /sys/fs/cgroup/memory/machine/build-7/memory.limit_in_bytes
/// ```
///
/// (cgroups(7); The Linux kernel's documentation, "Control Group v2", section "Memory Interface Files", and "Memory Resource
/// Controller".)
struct ControlGroup {
    /// Where the groups are.
    let root: FilePath
    /// Whose it is, below the root; as the process sees it, which in a container may be another place than it has there.
    let path: FilePath
    private let names: Names

    /// What a version calls its files and figures.
    private struct Names {
        let limit: String, used: String, cached: [String]
        static let first = Names(
            limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes",
            cached: ["total_active_file", "total_inactive_file"])
        static let second = Names(
            limit: "memory.max", used: "memory.current", cached: ["active_file", "inactive_file"])
    }

    /// The group that decides about memory, of a process that has these groups (the text of `/proc/self/cgroup`).
    init?(_ groups: [UInt8], root: FilePath = "/sys/fs/cgroup") {
        var found: ControlGroup?
        for line in groups.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let path = FilePath(bytes: fields[2]).lexicallyNormalized()
            if fields[1].split(separator: UInt8(ascii: ",")).contains(where: { $0.elementsEqual("memory".utf8) }) {
                // Where both versions are in use, memory is counted by the first.
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

    /// Bytes that may still be used, files in memory counted as free; `nil` where nothing limits it.
    var spare: UInt64? {
        var spare: UInt64?
        // A group can use no more than those that it is in.
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

    /// A file's number; `nil` where it is not there, or says `max`.
    private func number(in file: FilePath) -> UInt64? {
        guard let text = try? WholeFile.read(file, atMost: 64) else { return nil }
        return UInt64(String(decoding: text.prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }

    /// Bytes of files in memory, which are given up when something else needs them.
    private func cached(in directory: FilePath) -> UInt64 {
        guard let text = try? WholeFile.read(directory.appending("memory.stat"), atMost: 1 << 16) else { return 0 }
        return text.split(separator: UInt8(ascii: "\n")).reduce(0) { sum, line in
            let words = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard words.count == 2, names.cached.contains(words[0]) else { return sum }
            return sum.addingClamping(UInt64(words[1]) ?? 0)
        }
    }
}
