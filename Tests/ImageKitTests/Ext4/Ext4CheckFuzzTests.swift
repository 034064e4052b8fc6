import Foundation
import Testing

@testable import ImageKit

/// Changes filesystems at random and repairs their checksums. Reading and checking them always ends.
@Suite(.enabled(if: Ext4CheckTests.canMake, "\(Ext4CheckTests.reason)")) struct Ext4CheckFuzzTests {
    static let iterations = Fuzz.iterations(15)

    /// A range of a filesystem to change, and the repair of its checksum.
    private struct Target {
        var range: Range<Int>
        var seal: (inout Ext4Forger, Int) throws -> Void
    }

    private static func superblock(until field: Int) -> Range<Int> {
        Ext4Forger.superblock(0)..<Ext4Forger.superblock(field)
    }

    private static func targets(_ forger: Ext4Forger) throws -> [Target] {
        let volume = forger.volume
        var targets = [
            Target(range: superblock(until: Ext4Superblock.Field.checksum)) { forger, _ in forger.sealSuperblock() },
            Target(range: superblock(until: Ext4Superblock.Field.uuid)) { forger, _ in forger.sealSuperblock() },
        ]
        for group in 0..<volume.groups.count {
            let start = forger.descriptor(group)
            let end = start + Ext4GroupDescriptor.shortSize
            targets.append(Target(range: start..<end) { forger, _ in forger.sealGroup(group) })
            for block in [volume.groups[group].blockBitmap, volume.groups[group].inodeBitmap] {
                targets.append(
                    Target(range: Int(block) * 1024..<Int(block) * 1024 + 200) { forger, _ in forger.sealBitmaps(group)
                    })
            }
        }
        func add(inode: UInt32) throws {
            let start = try forger.inode(inode)
            for length in [40, 100, 160, volume.superblock.inodeSize] {
                targets.append(
                    Target(range: start..<start + min(length, volume.superblock.inodeSize)) { forger, _ in
                        try forger.sealInode(inode)
                    })
            }
        }
        for inode in [
            Ext4ReservedInode.root, Ext4ReservedInode.resize, Ext4ReservedInode.journal,
            Ext4ReservedInode.firstUnreserved,
        ] { try add(inode: inode) }
        for path in ["file", "other", "small", "long", "short", "sparse", "deep", "deep/er", "many"] {
            let node = try forger.node(path)
            try add(inode: node.inode)
            if node.record.attributeBlock != 0 {
                let block = node.record.attributeBlock
                targets.append(
                    Target(range: Int(block) * 1024..<Int(block) * 1024 + 100) { forger, _ in
                        forger.sealAttributes(block)
                    })
            }
            // All blocks of maps and of directories.
            guard node.record.flags & Ext4Inode.Flag.inline == 0, node.kind != .symlink else { continue }
            var budget: UInt64 = 1 << 20
            let map = try Ext4BlockMapReader.read(node.record, in: volume, budget: &budget, isComplete: true)
            for claim in map.claims {
                for block in claim.disk..<claim.disk + min(claim.count, 8) {
                    let start = Int(block) * 1024
                    let isMap = forger.u16(start) == Ext4ExtentNode.magic
                    guard isMap || node.kind == .directory else { continue }
                    targets.append(
                        Target(range: start..<start + (isMap ? 60 : 1024)) { forger, offset in
                            if isMap {
                                try forger.sealExtents(at: offset, of: node.inode)
                            } else {
                                try forger.sealDirectory(at: offset, of: node.inode)
                            }
                        })
                }
            }
        }
        return targets
    }

    static let bases = [
        "ext4": Ext4CheckDamageTests.ext4, "ext2": Ext4CheckDamageTests.ext2, "inline": Ext4CheckDamageTests.inline,
    ]

    @Test(arguments: ["ext4", "ext2", "inline"])
    func mutations(_ kind: String) throws {
        let good = try Ext4Forger(#require(Self.bases[kind]).get().bytes)
        let targets = try Self.targets(good)
        var random = Fuzz.random(4)
        var found = 0
        for _ in 0..<Self.iterations {
            var forger = good
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let target = targets[Int.random(in: targets.indices, using: &random)]
                let offset = Int.random(in: target.range, using: &random)
                switch Int.random(in: 0..<6, using: &random) {
                case 0: forger.flip(1 << UInt8.random(in: 0..<8, using: &random), at: offset)
                case 1: forger.store([[0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0], at: offset)
                case 2: forger.store(UInt32.random(in: 0...UInt32.max, using: &random), at: offset & ~3)
                case 3: forger.store(UInt32.random(in: 0...25_000, using: &random), at: offset & ~3)
                case 4: forger.store(UInt16.random(in: 0...1200, using: &random), at: offset & ~1)
                default: forger.store(UInt32.max, at: offset & ~3)
                }
                try target.seal(&forger, offset)
            }
            let source = HeldImage(forger.bytes)
            let (list, contents) = try Ext4CheckJudge.findings(source)
            if !list.isEmpty { found += 1 }
            // A filesystem that cannot be read has a finding.
            do throws(ImageError) {
                _ = try Ext4Volume(source).tree()
                if contents == nil { Issue.record("\(Ext4CheckJudge.text(list))") }
            } catch {
                if list.isEmpty { Issue.record("\(error)") }
            }
        }
        #expect(found > Self.iterations / 4, "\(found)")
    }
}
