/// Directories and what is in them, slot by slot.
extension FATCheck {
    /// A directory that is to be looked at.
    private struct Directory {
        var owner: Int
        var path: String
        var cluster: UInt64
        /// What its `..` should say: 0 where that is the root directory.
        var above: UInt64
        /// Directories on the way to it, itself included.
        var depth: Int
        var isRoot: Bool { owner == 0 }
        /// How findings call it.
        var shown: String { isRoot ? "/" : path }
    }

    /// What was seen of a directory so far.
    private struct Reading {
        var parser = FATDirectoryParser()
        /// Which slot comes next.
        var slot = 0
        var hasEnded = false
        /// Slots in use after the end: how many, and where the first is.
        var strays = 0, firstStray: UInt64?
        /// Names without their case, and how they are spelt.
        var names: [[UInt32]: String] = [:]
        var directories: [Directory] = []
    }

    /// Looks at everything from the root directory on, with a stack of its own, so that depth does not cost the thread's.
    mutating func checkDirectories(_ hear: (Finding) -> Void) throws(ImageError) {
        let root = owners.add("", in: 0)
        var left = [Directory(owner: root, path: "", cluster: layout.rootCluster, above: 0, depth: 1)]
        while let directory = left.popLast(), entries <= entryLimit {
            try progress?.checkCancelled()
            guard directory.depth <= FATVolume.depthLimit else {
                hear(
                    Finding(
                        .fatTooLarge, "it lies more than \(FATVolume.depthLimit) folders deep", path: directory.path))
                continue
            }
            left += try read(directory, hear).reversed()
        }
        tellCrossings(hear)
    }

    /// Reads a directory, and gives the directories in it.
    private mutating func read(_ directory: Directory, _ hear: (Finding) -> Void) throws(ImageError) -> [Directory] {
        var reading = Reading()
        var places = [layout.rootOffset..<layout.rootOffset + layout.rootEntries * UInt64(FATDirectoryEntry.size)]
        if !directory.isRoot || layout.kind == .fat32 {
            let chain = try follow(directory.cluster, of: directory.owner, directory.shown, hear)
            places = volume.places(of: chain)
            if chain.count * layout.clusterSize > UInt64(FATPlan.slotLimit * FATDirectoryEntry.size) {
                hear(
                    Finding(
                        .fatDirectoryLong, "its \(chain.count) clusters have more than \(FATPlan.slotLimit) slots",
                        path: directory.shown, offset: places.first?.lowerBound))
            }
        }
        for place in places {
            var start = place.lowerBound
            while start < place.upperBound, reading.slot < FATPlan.slotLimit, entries <= entryLimit {
                let bytes = try source.read(Int(min(1 << 16, place.upperBound - start)), at: start)
                var offset = 0
                while offset + FATDirectoryEntry.size <= bytes.count, reading.slot < FATPlan.slotLimit {
                    let slot = bytes[offset..<offset + FATDirectoryEntry.size]
                    try take(slot, at: start + UInt64(offset), of: directory, &reading, hear)
                    reading.slot += 1
                    offset += FATDirectoryEntry.size
                }
                start += UInt64(bytes.count)
            }
        }
        if let first = reading.firstStray {
            hear(
                Finding(
                    .fatAfterEnd, "slots are in use after the one that ends it: \(reading.strays)",
                    path: directory.shown,
                    offset: first))
        }
        return reading.directories
    }

    private mutating func take(
        _ slot: ArraySlice<UInt8>, at offset: UInt64, of directory: Directory, _ reading: inout Reading,
        _ hear: (Finding) -> Void
    ) throws(ImageError) {
        if reading.hasEnded {
            guard let first = slot.first, first != 0, first != FATDirectoryParser.free else { return }
            reading.strays += 1
            reading.firstStray = reading.firstStray ?? offset
            return
        }
        let found = reading.parser.take(slot)
        checkLongName(slot, reading.parser.fault, at: offset, of: directory, hear)
        if reading.slot < 2, !directory.isRoot { checkDots(slot, at: offset, of: directory, &reading, hear) }
        switch found {
        case .end: reading.hasEnded = true
        case .nothing:
            guard let entry = FATDirectoryEntry(decoding: slot), reading.slot >= 2 || directory.isRoot,
                [FATDirectoryParser.itself, FATDirectoryParser.above].contains(entry.name)
            else { return }
            hear(
                Finding(
                    .fatDots, "the entry '\(entry.shortName)' is not where it should be", path: directory.shown,
                    offset: offset))
        case .label(let text):
            if !directory.isRoot {
                hear(
                    Finding(
                        .fatLabels, "it has a volume label, which only the root folder should", path: directory.shown,
                        offset: offset))
            } else if label != nil {
                hear(
                    Finding(
                        .fatLabels, "there is another volume label: '\(CodePage437.text(text))'", path: directory.shown,
                        offset: offset))
            } else {
                label = text
            }
            guard let entry = FATDirectoryEntry(decoding: slot) else { return }
            if entry.cluster != 0 || entry.size != 0
                || entry.attributes & FATDirectoryEntry.Attribute.directory != 0
            {
                hear(
                    Finding(
                        .fatLabels,
                        "the volume label '\(CodePage437.text(text))' has clusters, a size, or a folder's mark",
                        path: directory.shown, offset: offset))
            }
        case .entry(let entry, let long):
            guard entries < entryLimit else {
                entries = entryLimit + 1
                return
            }
            entries += 1
            try take(entry, long, at: offset, of: directory, &reading, hear)
        }
    }

    /// A file or directory.
    private mutating func take(
        _ entry: FATDirectoryEntry, _ long: String?, at offset: UInt64, of directory: Directory,
        _ reading: inout Reading,
        _ hear: (Finding) -> Void
    ) throws(ImageError) {
        let short = entry.shortName
        let name = long ?? short
        let path = directory.path + "/" + name
        checkNames(entry, name, path, at: offset, &reading.names, hear)
        let owner = owners.add(name, in: directory.owner)
        // The upper half of the number is FAT32's alone; OS/2 kept something else there.
        let cluster = layout.kind == .fat32 ? entry.cluster : entry.cluster & 0xFFFF
        guard entry.attributes & FATDirectoryEntry.Attribute.directory == 0 else {
            if entry.size != 0 {
                hear(
                    Finding(
                        .fatDirectorySize, "the folder has a size of \(entry.size) bytes", path: path,
                        offset: offset + UInt64(FATDirectoryEntry.Field.size)))
            }
            reading.directories.append(
                Directory(
                    owner: owner, path: path, cluster: cluster, above: directory.isRoot ? 0 : directory.cluster,
                    depth: directory.depth + 1))
            return
        }
        try checkFile(owner, path, size: entry.size, cluster: cluster, entryOffset: offset, hear)
    }

    // MARK: Names

    private func checkLongName(
        _ slot: ArraySlice<UInt8>, _ fault: FATDirectoryParser.Fault?, at offset: UInt64, of directory: Directory,
        _ hear: (Finding) -> Void
    ) {
        typealias Attribute = FATDirectoryEntry.Attribute
        switch fault {
        case .orphaned:
            hear(
                Finding(
                    .fatLongNameOrphaned, "there are pieces of a long name that belong to no file",
                    path: directory.shown, offset: offset))
        case .order:
            hear(
                Finding(
                    .fatLongNameOrder, "the pieces of a long name are in the wrong order, or some are missing",
                    path: directory.shown, offset: offset))
        case .sum:
            hear(
                Finding(
                    .fatLongNameSum, "the pieces of a long name carry the sum of another short name",
                    path: directory.shown, offset: offset))
        case .name:
            hear(Finding(.fatName, "a long name is none that a file can have", path: directory.shown, offset: offset))
        case nil: break
        }
        guard let first = slot.first, first != 0, first != FATDirectoryParser.free,
            let attributes: UInt8 = slot.load(at: FATDirectoryEntry.Field.attributes),
            attributes & Attribute.longNameMask == Attribute.longName
        else { return }
        let kind: UInt8 = slot.load(at: FATDirectoryEntry.Field.lowerCase) ?? 0
        let cluster: UInt16 = slot.load(at: FATDirectoryEntry.Field.clusterLow) ?? 0
        if kind != 0 || cluster != 0 {
            hear(
                Finding(
                    .fatLongNameFields, "a piece of a long name has the kind \(kind) and the cluster \(cluster), not 0",
                    path: directory.shown, offset: offset))
        }
    }

    private func checkNames(
        _ entry: FATDirectoryEntry, _ name: String, _ path: String, at offset: UInt64,
        _ names: inout [[UInt32]: String], _ hear: (Finding) -> Void
    ) {
        let short = entry.shortName
        switch FATName.fitness(ofShort: entry.name) {
        case .good: break
        case .unusual:
            hear(
                Finding(
                    .fatNameUnusual, "its short name '\(short)' has lower-case letters or one of + , ; = [ ]",
                    path: path, offset: offset))
        case .impossible:
            hear(
                Finding(.fatName, "its short name '\(short)' is none that a file can have", path: path, offset: offset))
        }
        checkCase(entry, path, at: offset, hear)
        // Whoever looks for a file takes its short name as well as its long one.
        for one in name == short ? [name] : [name, short] {
            let key = FATName.folded(one)
            guard let other = names[key] else {
                names[key] = one
                continue
            }
            if name != short, one == short, FATName.folded(name) == key { continue }
            let isSame = one.utf8.count == other.utf8.count && one.lowercased() == other.lowercased()
            hear(
                Finding(
                    isSame ? .fatDuplicateName : .fatAlikeNames,
                    "another entry of its folder has the name '\(other)'", path: path, offset: offset))
            return
        }
    }

    private func checkCase(
        _ entry: FATDirectoryEntry, _ path: String, at offset: UInt64, _ hear: (Finding) -> Void
    ) {
        let unknown = entry.lowerCase & ~(FATDirectoryEntry.Case.lowerBase | FATDirectoryEntry.Case.lowerExtension)
        guard unknown != 0 else { return }
        // fsck.fat takes one of these bits for a sign that the short name is not to be used.
        hear(
            Finding(
                .fatNameUnusual, "its byte for lower case has bits that mean nothing: 0x\(String(unknown, radix: 16))",
                path: path, offset: offset))
    }

    /// The first two slots of a directory are its own and its parent's.
    private func checkDots(
        _ slot: ArraySlice<UInt8>, at offset: UInt64, of directory: Directory, _ reading: inout Reading,
        _ hear: (Finding) -> Void
    ) {
        let isItself = reading.slot == 0
        let expected = isItself ? FATDirectoryParser.itself : FATDirectoryParser.above
        let shown = isItself ? "." : ".."
        func tell(_ what: String) {
            hear(Finding(.fatDots, what, path: directory.shown, offset: offset))
        }
        guard let entry = FATDirectoryEntry(decoding: slot), entry.name == expected else {
            tell("the entry '\(shown)' is missing")
            return
        }
        guard entry.attributes & FATDirectoryEntry.Attribute.directory != 0 else {
            tell("the entry '\(shown)' is no folder")
            return
        }
        checkCase(entry, directory.path + "/" + shown, at: offset, hear)
        let cluster = layout.kind == .fat32 ? entry.cluster : entry.cluster & 0xFFFF
        let right = isItself ? directory.cluster : directory.above
        if cluster != right { tell("the entry '\(shown)' says cluster \(cluster), and should say \(right)") }
    }
}
