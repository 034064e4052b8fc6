/// Directories and their entries, slot by slot.
extension FATCheck {
    /// A directory to check.
    private struct Directory {
        var owner: Int
        var path: String
        var cluster: UInt64
        /// The cluster that its `..` should have: 0 for the root directory.
        var parentCluster: UInt64
        /// The number of directories on the way to it, including itself.
        var depth: Int
        var isRoot: Bool { owner == 0 }
        /// Its path in findings.
        var shown: String { isRoot ? "/" : path }
    }

    /// The state of the check of one directory.
    private struct Reading {
        var parser = FATDirectoryParser()
        /// The index of the next slot.
        var slot = 0
        var hasEnded = false
        /// The number of slots in use after the end, and the offset of the first.
        var strays = 0, firstStray: UInt64?
        /// The spelling of each name, by the name without its case.
        var names: [[UInt32]: String] = [:]
        var directories: [Directory] = []
    }

    /// Checks all directories from the root on, with its own stack, so that deep ones do not use up that of the thread.
    mutating func checkDirectories(onFinding report: (Finding) -> Void) throws(ImageError) {
        let root = owners.add("", in: 0)
        var pending = [Directory(owner: root, path: "", cluster: layout.rootCluster, parentCluster: 0, depth: 1)]
        while let directory = pending.popLast(), entries <= maximumEntries {
            try progress?.checkCancelled()
            guard directory.depth <= FATVolume.maximumDepth else {
                report(
                    Finding(
                        .fatTooLarge, "it lies more than \(FATVolume.maximumDepth) folders deep", path: directory.path))
                continue
            }
            pending += try read(directory, onFinding: report).reversed()
        }
        reportCrossLinks(onFinding: report)
    }

    /// Checks a directory, and returns its subdirectories.
    private mutating func read(
        _ directory: Directory, onFinding report: (Finding) -> Void
    ) throws(ImageError) -> [Directory] {
        var reading = Reading()
        var ranges = [layout.rootOffset..<layout.rootOffset + layout.rootEntries * UInt64(FATDirectoryEntry.size)]
        if !directory.isRoot || layout.kind == .fat32 {
            let chain = try follow(directory.cluster, of: directory.owner, directory.shown, onFinding: report)
            ranges = volume.byteRanges(of: chain)
            if chain.count * layout.clusterSize > FATDirectoryEntry.maximumDirectorySize {
                report(
                    Finding(
                        .fatDirectoryLong,
                        "its \(chain.count) clusters have more than \(FATDirectoryEntry.maximumSlots) slots",
                        path: directory.shown, offset: ranges.first?.lowerBound))
            }
        }
        for range in ranges {
            var start = range.lowerBound
            while start < range.upperBound, reading.slot < FATDirectoryEntry.maximumSlots, entries <= maximumEntries {
                let bytes = try source.read(Int(min(1 << 16, range.upperBound - start)), at: start)
                var offset = 0
                while offset + FATDirectoryEntry.size <= bytes.count, reading.slot < FATDirectoryEntry.maximumSlots {
                    let slot = bytes[offset..<offset + FATDirectoryEntry.size]
                    try check(slot, at: start + UInt64(offset), of: directory, &reading, onFinding: report)
                    reading.slot += 1
                    offset += FATDirectoryEntry.size
                }
                start += UInt64(bytes.count)
            }
        }
        if let first = reading.firstStray {
            report(
                Finding(
                    .fatAfterEnd, "slots are in use after the one that ends it: \(reading.strays)",
                    path: directory.shown, offset: first))
        }
        return reading.directories
    }

    private mutating func check(
        _ slot: ArraySlice<UInt8>, at offset: UInt64, of directory: Directory, _ reading: inout Reading,
        onFinding report: (Finding) -> Void
    ) throws(ImageError) {
        if reading.hasEnded {
            guard let first = slot.first, first != 0, first != FATDirectoryParser.deleted else { return }
            reading.strays += 1
            reading.firstStray = reading.firstStray ?? offset
            return
        }
        let found = reading.parser.parse(slot)
        checkLongName(slot, reading.parser.fault, at: offset, of: directory, onFinding: report)
        if reading.slot < 2, !directory.isRoot {
            checkDots(slot, at: offset, of: directory, isDot: reading.slot == 0, onFinding: report)
        }
        switch found {
        case .end: reading.hasEnded = true
        case .nothing:
            guard let entry = FATDirectoryEntry(decoding: slot), reading.slot >= 2 || directory.isRoot,
                [FATDirectoryParser.dot, FATDirectoryParser.dotDot].contains(entry.name)
            else { return }
            report(
                Finding(
                    .fatDots, "the entry '\(entry.shortName)' is not where it should be", path: directory.shown,
                    offset: offset))
        case .label(let text):
            if !directory.isRoot {
                report(
                    Finding(
                        .fatLabels, "it has a volume label, which only the root folder should", path: directory.shown,
                        offset: offset))
            } else if label != nil {
                report(
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
                report(
                    Finding(
                        .fatLabels,
                        "the volume label '\(CodePage437.text(text))' has clusters, a size, or a folder's mark",
                        path: directory.shown, offset: offset))
            }
        case .entry(let entry, let long):
            guard entries < maximumEntries else {
                entries = maximumEntries + 1
                return
            }
            entries += 1
            try check(entry, long, at: offset, of: directory, &reading, onFinding: report)
        }
    }

    /// Checks the entry of a file or directory.
    private mutating func check(
        _ entry: FATDirectoryEntry, _ long: String?, at offset: UInt64, of directory: Directory,
        _ reading: inout Reading, onFinding report: (Finding) -> Void
    ) throws(ImageError) {
        let short = entry.shortName
        let name = long ?? short
        let path = directory.path + "/" + name
        checkNames(entry, name, path, at: offset, &reading.names, onFinding: report)
        let owner = owners.add(name, in: directory.owner)
        let cluster = entry.cluster(in: layout.kind)
        guard entry.attributes & FATDirectoryEntry.Attribute.directory == 0 else {
            if entry.size != 0 {
                report(
                    Finding(
                        .fatDirectorySize, "the folder has a size of \(entry.size) bytes", path: path,
                        offset: offset + UInt64(FATDirectoryEntry.Field.size)))
            }
            reading.directories.append(
                Directory(
                    owner: owner, path: path, cluster: cluster,
                    parentCluster: directory.isRoot ? 0 : directory.cluster, depth: directory.depth + 1))
            return
        }
        try checkFile(owner, path, size: entry.size, cluster: cluster, entryOffset: offset, onFinding: report)
    }

    // MARK: Names

    private func checkLongName(
        _ slot: ArraySlice<UInt8>, _ fault: FATDirectoryParser.Fault?, at offset: UInt64, of directory: Directory,
        onFinding report: (Finding) -> Void
    ) {
        typealias Attribute = FATDirectoryEntry.Attribute
        switch fault {
        case .orphaned:
            report(
                Finding(
                    .fatLongNameOrphaned, "there are pieces of a long name that belong to no file",
                    path: directory.shown, offset: offset))
        case .order:
            report(
                Finding(
                    .fatLongNameOrder, "the pieces of a long name are in the wrong order, or some are missing",
                    path: directory.shown, offset: offset))
        case .checksum:
            report(
                Finding(
                    .fatLongNameSum, "the pieces of a long name carry the sum of another short name",
                    path: directory.shown, offset: offset))
        case .name:
            report(Finding(.fatName, "a long name is none that a file can have", path: directory.shown, offset: offset))
        case nil: break
        }
        guard let first = slot.first, first != 0, first != FATDirectoryParser.deleted,
            let attributes: UInt8 = slot.load(at: FATDirectoryEntry.Field.attributes),
            attributes & Attribute.longNameMask == Attribute.longName
        else { return }
        let kind: UInt8 = slot.load(at: FATDirectoryEntry.LongField.kind) ?? 0
        let cluster: UInt16 = slot.load(at: FATDirectoryEntry.LongField.cluster) ?? 0
        if kind != 0 || cluster != 0 {
            report(
                Finding(
                    .fatLongNameFields, "a piece of a long name has the kind \(kind) and the cluster \(cluster), not 0",
                    path: directory.shown, offset: offset))
        }
    }

    private func checkNames(
        _ entry: FATDirectoryEntry, _ name: String, _ path: String, at offset: UInt64,
        _ names: inout [[UInt32]: String], onFinding report: (Finding) -> Void
    ) {
        let short = entry.shortName
        switch FATName.fitness(ofShort: entry.name) {
        case .good: break
        case .unusual:
            report(
                Finding(
                    .fatNameUnusual, "its short name '\(short)' has lower-case letters or one of + , ; = [ ]",
                    path: path, offset: offset))
        case .impossible:
            report(
                Finding(.fatName, "its short name '\(short)' is none that a file can have", path: path, offset: offset))
        }
        checkCase(entry, path, at: offset, onFinding: report)
        // A file can be opened by its short name as well as by its long one.
        for spelling in name == short ? [name] : [name, short] {
            let key = FATName.folded(spelling)
            guard let known = names[key] else {
                names[key] = spelling
                continue
            }
            if name != short, spelling == short, FATName.folded(name) == key { continue }
            let isSame = spelling.utf8.count == known.utf8.count && spelling.lowercased() == known.lowercased()
            report(
                Finding(
                    isSame ? .fatDuplicateName : .fatAlikeNames,
                    "another entry of its folder has the name '\(known)'", path: path, offset: offset))
            return
        }
    }

    private func checkCase(
        _ entry: FATDirectoryEntry, _ path: String, at offset: UInt64, onFinding report: (Finding) -> Void
    ) {
        let unknown = entry.lowerCase & ~(FATDirectoryEntry.Case.lowerBase | FATDirectoryEntry.Case.lowerExtension)
        guard unknown != 0 else { return }
        // For fsck.fat, one of these bits means that the short name must not be used.
        report(
            Finding(
                .fatNameUnusual, "its byte for lower case has bits that mean nothing: 0x\(String(unknown, radix: 16))",
                path: path, offset: offset))
    }

    /// Checks one of the first two slots of a directory, `.` or `..`.
    private func checkDots(
        _ slot: ArraySlice<UInt8>, at offset: UInt64, of directory: Directory, isDot: Bool,
        onFinding report: (Finding) -> Void
    ) {
        let expected = isDot ? FATDirectoryParser.dot : FATDirectoryParser.dotDot
        let shown = isDot ? "." : ".."
        func reportDots(_ what: String) {
            report(Finding(.fatDots, what, path: directory.shown, offset: offset))
        }
        guard let entry = FATDirectoryEntry(decoding: slot), entry.name == expected else {
            reportDots("the entry '\(shown)' is missing")
            return
        }
        guard entry.attributes & FATDirectoryEntry.Attribute.directory != 0 else {
            reportDots("the entry '\(shown)' is no folder")
            return
        }
        checkCase(entry, directory.path + "/" + shown, at: offset, onFinding: report)
        let cluster = entry.cluster(in: layout.kind)
        let correct = isDot ? directory.cluster : directory.parentCluster
        if cluster != correct {
            reportDots("the entry '\(shown)' says cluster \(cluster), and should say \(correct)")
        }
    }
}
