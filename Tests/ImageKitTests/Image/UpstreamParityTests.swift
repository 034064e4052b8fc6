import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// An image compared with one that the tools of nixpkgs' sdImage module make with the module's arguments.
/// docs/sdimage.md lists the differences and their reasons.
@Suite(
    "As the sdImage module makes it",
    .enabled(if: Judge.hasFATTools && Judge.hasExt4Tools, Comment(rawValue: Judge.fatReason)))
struct UpstreamParityTests {
    let system: SampleSystem
    let plan: ImagePlan
    /// It is removed together with the store.
    private var directory: String { system.store.root.string }
    private var image: String { directory + "/ours.img" }
    private static let mebi = 1 << 20

    init() throws {
        system = try SampleSystem()
        // Upstream's firmware partition has no directories. Without the Pi 5, config.txt names no overlay, so there are
        // none.
        var recipe = system.recipe(try system.addPackages())
        recipe.boards = Board.standard.filter { $0.name != "pi5" }
        plan = try ImagePlan(recipe)
        try plan.write(to: system.store.root.appending("ours.img").string)
    }

    private func bytes(_ path: String, _ range: Range<Int>) throws -> [UInt8] {
        let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
        try file.seek(toOffset: UInt64(range.lowerBound))
        return Array(try file.read(upToCount: range.count) ?? Data())
    }

    @Test func thePartitionTableIsSfdisks() throws {
        let size = try #require(FileManager.default.attributesOfItem(atPath: image)[.size] as? Int)
        let made = try Judge.run(
            "bash",
            [
                "-euc",
                """
                truncate -s "$2" "$1"
                sfdisk --no-reread --no-tell-kernel "$1" <<-EOF
                label: dos
                label-id: 0x2178694e
                start=8M, size=30M, type=b
                start=38M, type=83, bootable
                EOF
                """, "-", directory + "/table.img", "\(size)",
            ])
        try #require(made.status == 0, "\(made.said)")
        let ours = try bytes(image, 0..<512)
        #expect(ours == (try bytes(directory + "/table.img", 0..<512)))
        #expect(Array(ours[440..<444]) == Array("Nix!".utf8))
        #expect(Array(ours[446..<462]) == [0, 5, 5, 1, 0x0B, 0xD7, 0x13, 4, 0, 0x40, 0, 0, 0, 0xF0, 0, 0])
        #expect(ours[462] == 0x80 && ours[466] == 0x83)
        #expect(size == 38 * Self.mebi + Int(plan.root.blocks) * 4096)
    }

    @Test func theFirmwarePartitionIsMkfsAndMtools() throws {
        let made = try Judge.run(
            "bash",
            [
                "-euc",
                """
                cd "$1"; mkdir files; dd if=ours.img of=fat.img bs=1M skip=8 count=30 status=none
                mcopy -sQ -i fat.img ::/* files/
                truncate -s 30M upstream.img
                mkfs.vfat --invariant -i 0x2178694e -n FIRMWARE upstream.img >&2
                find files -exec touch --date=2000-01-01 {} +
                cd files
                for f in $(find . -type f | sort); do mcopy -pm -i ../upstream.img "$f" "::/$f"; done
                cd ..; fsck.fat -vn upstream.img >&2; fsck.fat -vn fat.img >&2
                """, "-", directory,
            ])
        try #require(made.status == 0, "\(made.said)")
        let ours = try bytes(directory + "/fat.img", 0..<512),
            theirs = try bytes(directory + "/upstream.img", 0..<512)
        // Every field, but not the program after them, whose text is mkfs.vfat's own.
        #expect(ours[..<62] == theirs[..<62] && ours[510...] == theirs[510...])
        for arguments in [["-a", "-/"], ["-b", "-/"], []] {
            let listings = try ["fat.img", "upstream.img"].map { name in
                try Judge.run("mdir", arguments + ["-i", directory + "/" + name, "::"]).said
            }
            #expect(listings[0] == listings[1])
        }
        // Names, short names, attributes, dates and sizes: every byte of the directory but the cluster numbers.
        let boot = { (at: Int) in Int(theirs[at]) | Int(theirs[at + 1]) << 8 }
        let root = (boot(14) + 2 * boot(22)) * 512
        func entries(_ name: String) throws -> Set<[UInt8]> {
            let slots = try bytes(directory + "/" + name, root..<root + boot(17) * 32)
            return Set(
                stride(from: 0, to: slots.count, by: 32).map { offset in
                    var slot = Array(slots[offset..<offset + 32])
                    if slot[11] != 0x0F { slot.replaceSubrange(26..<28, with: [0, 0]) }
                    return slot
                })
        }
        #expect(try entries("fat.img") == entries("upstream.img"))
    }

    @Test func theRootPartitionHasItsNameAndForm() throws {
        let root = directory + "/root.img"
        _ = try Judge.run("dd", ["if=\(image)", "of=\(root)", "bs=1M", "skip=38", "conv=sparse", "status=none"])
        let said = try Judge.run("dumpe2fs", ["-h", root]).said
        func field(_ name: String) -> String? {
            said.split(separator: "\n").first { $0.hasPrefix(name + ":") }?.dropFirst(name.count + 1)
                .trimmingCharacters(in: .whitespaces)
        }
        #expect(field("Filesystem volume name") == "NIXOS_SD")
        #expect(field("Filesystem UUID") == "44444444-4444-4444-8888-888888888888")
        #expect(field("Block size") == "4096" && field("Inode size") == "256" && field("Blocks per group") == "32768")
        #expect(field("Errors behavior") == "Continue" && field("Default mount options") == "user_xattr acl")
        #expect(field("Maximum mount count") == "-1" && field("Default directory hash") == "half_md4")
        #expect(field("Journal inode") == "8" && field("Filesystem OS type") == "Linux")
        let upstream =
            "has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg sparse_super large_file "
            + "huge_file dir_nlink extra_isize metadata_csum"
        #expect(field("Filesystem features") == upstream)
        let names = try Judge.run("debugfs", ["-R", "ls -p /", root]).said
        let top = names.split(separator: "\n").compactMap { line -> String? in
            let parts = line.split(separator: "/", omittingEmptySubsequences: false)
            return parts.count > 6 && parts[5] != "." && parts[5] != ".."
                ? "\(parts[5]) \(parts[2]) \(parts[3]):\(parts[4])" : nil
        }
        #expect(
            Set(top) == [
                "lost+found 040700 0:0", "nix 040755 0:0", "boot 040755 0:0", "nix-path-registration 100444 0:0",
            ])
    }

    @Test func theRegistrationIsClosureInfos() throws {
        let root = directory + "/root.img"
        _ = try Judge.run("dd", ["if=\(image)", "of=\(root)", "bs=1M", "skip=38", "conv=sparse", "status=none"])
        let said = try Judge.run("debugfs", ["-R", "cat /nix-path-registration", root]).said
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        #expect(said.first?.hasPrefix("debugfs ") == true && said.last == "")
        // Path, hash, size, no deriver, count of references, references; sorted by path; no other lines.
        var lines = said.dropFirst().dropLast()[...], paths: [String] = []
        while let path = lines.popFirst() {
            paths.append(path)
            let hash = lines.popFirst() ?? ""
            #expect(hash.hasPrefix("sha256:") && hash.utf8.count == 7 + 52, "\(hash)")
            #expect(lines.popFirst().flatMap(UInt64.init) != nil)
            #expect(lines.popFirst() == "")
            let count = lines.popFirst().flatMap(Int.init) ?? -1
            #expect(count >= 0)
            for _ in 0..<max(0, count) { #expect(lines.popFirst()?.hasPrefix("/nix/store/") == true) }
        }
        #expect(paths == paths.sorted() && paths.count == plan.closure.paths.count && paths.count > 5)
    }
}
