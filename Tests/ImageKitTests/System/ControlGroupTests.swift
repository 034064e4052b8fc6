import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// Limits of control groups: copies of the kernel's files in a container, and the files of this machine.
@Suite struct ControlGroupTests {
    private func write(_ files: [String: String], in directory: String) throws {
        for (name, text) in files {
            let path = URL(fileURLWithPath: directory + "/" + name)
            try FileManager.default.createDirectory(
                at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: path)
        }
    }

    private func spare(_ groups: String, _ root: String) -> UInt64? {
        ControlGroup(Array(groups.utf8), root: FilePath(root))?.spare
    }

    @Test func countsAllowedProcessors() {
        func allowed(_ text: String) -> Int { HostProcessors.allowed(in: Array(text.utf8)) }
        #expect(allowed("Name:\tx\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n") == 2)
        #expect(allowed("Cpus_allowed:\tff,00000000,80000001\n") == 10)
        #expect(allowed("Cpus_allowed_list:\t0-1\n") == 0 && allowed("") == 0)
        let threads = HostProcessors.usefulThreads
        #expect(threads >= 1 && threads <= HostProcessors.count)
    }

    @Test func secondVersion() throws {
        let root = try ScratchDirectory().path
        try write(
            [
                "a/memory.max": "1000000\n", "a/memory.current": "600000\n",
                "a/memory.stat": "anon 100000\nfile 500000\ninactive_file 300000\nactive_file 150000\nshmem 50000\n",
                "a/b/memory.max": "max\n", "a/b/memory.current": "5\n", "a/b/memory.stat": "",
                "a/c/memory.max": "5000\n", "a/c/memory.current": "4000\n", "a/c/memory.stat": "active_file 9000\n",
                "a/d/memory.max": "5000\n", "a/d/memory.current": "9000\n",
            ], in: root)
        #expect(spare("0::/a\n", root) == 850_000, "files in memory are free")
        #expect(spare("0::/a/b\n", root) == 850_000, "the group above has the limit")
        #expect(spare("0::/a/c\n", root) == 5000, "the smaller one counts")
        #expect(spare("0::/a/d\n", root) == 0)
        #expect(spare("0::/\n", root) == nil)
        #expect(spare("0::/elsewhere/it/lies\n", root) == nil)
        // In a container, the root is its own group.
        #expect(spare("0::/../a\n", root) == 850_000)
        #expect(spare("0::/elsewhere/it/lies\n", root + "/a") == 850_000)
    }

    @Test func firstVersion() throws {
        let root = try ScratchDirectory().path
        try write(
            [
                "memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.usage_in_bytes": "7\n",
                "memory/a/memory.limit_in_bytes": "4096\n", "memory/a/memory.usage_in_bytes": "4000\n",
                "memory/a/memory.stat": "inactive_file 1\ntotal_inactive_file 1000\ntotal_active_file 0\n",
            ], in: root)
        #expect(spare("5:cpu,memory:/a\n0::/\n", root) == 1096)
        #expect(spare("5:memory:/\n", root) == 9_223_372_036_854_771_705)
    }

    @Test(arguments: ["", "\n", "::", "0:", "0::", "x:y:z\n", "memory", "0::/a:b/c\n"])
    func otherTextsLimitNothing(groups: String) throws {
        let root = try ScratchDirectory().path
        try write(["a/memory.max": "-1\n", "a/memory.current": "1\n"], in: root)
        #expect(spare(groups, root) == nil)
        #expect(spare("0::/a", root) == nil)
        #expect(spare("0::\u{0}/a\n", root) == nil)
    }

    /// Compares with the kernel in a new group, which only root can create.
    @Test func agreesWithTheKernel() throws {
        let groups = try WholeFile.read("/proc/self/cgroup", atMost: 1 << 16)
        guard let group = ControlGroup(groups) else { return }
        let name = "mkpiimg-test-\(getpid())"
        let directory = group.root.appending(name)
        guard mkdir(directory.string, 0o755) == 0 else { return }
        defer { rmdir(directory.string) }
        let limit: UInt64 = 64 << 20
        for (setting, version) in [("memory.max", "0::/"), ("memory.limit_in_bytes", "1:memory:/")] {
            guard let file = fopen(directory.appending(setting).string, "r+") else { continue }
            fputs("\(limit)", file)
            guard fclose(file) == 0 else { return }
            let spare = try #require(ControlGroup(Array((version + name).utf8))?.spare)
            #expect(spare <= limit && spare > limit / 2)
        }
    }
}
