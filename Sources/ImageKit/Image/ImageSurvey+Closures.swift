extension ImageSurvey {
    /// Where the registration of an image's store lies, from which the first boot fills Nix's database.
    private static let registrationPath = "/nix-path-registration"
    /// A registration of a store of 100,000 paths has some 50 MB.
    private static let registrationLimit: UInt64 = 256 << 20
    /// As many references are followed, in all.
    private static let stepLimit = 1 << 26

    /// The registration that lies in one of the image's filesystems; `nil` where there is none that can be read. (It is gone
    /// after the first boot.)
    public static func registration(in image: DiskImage) -> Registration? {
        for partition in image.table.partitions where !partition.isExtended {
            // Whatever is wrong with it, an image can be looked at without.
            guard let volume = try? image.volume(of: partition), case .ext4 = volume,
                let node = try? volume.node(at: registrationPath), node.kind == .file, node.size <= registrationLimit,
                let content = try? volume.content(of: node), let bytes = try? content.read(Int(node.size), at: 0),
                let registration = try? Registration(parsing: bytes, file: registrationPath)
            else { continue }
            return registration
        }
        return nil
    }

    /// What each store path takes on the disk together with all that it needs, as far as that is in the image.
    ///
    /// - Returns: a number for each of ``SpaceUse/storePaths``; `nil` where it is not registered.
    public func closureSizes(_ registration: Registration) -> [UInt64?] {
        let totals = space.totals { $0.disk }
        var places: [String: Int] = [:]
        for (index, path) in space.storePaths.enumerated() where places[space.nodes[Int(path.node)].name] == nil {
            places[space.nodes[Int(path.node)].name] = index
        }
        var references = [[Int]?](repeating: nil, count: space.storePaths.count)
        for entry in registration.entries {
            guard let place = places[entry.path.baseName] else { continue }
            references[place] = entry.references.compactMap { places[$0.baseName] }
        }
        var sizes = [UInt64?](repeating: nil, count: references.count)
        var seen = [Int](repeating: -1, count: references.count)
        var steps = 0
        for start in references.indices where references[start] != nil {
            var size: UInt64 = 0
            var stack = [start]
            seen[start] = start
            while let place = stack.popLast() {
                size = size.addingClamping(totals[Int(space.storePaths[place].node)])
                for next in references[place] ?? [] {
                    steps += 1
                    if seen[next] != start {
                        seen[next] = start
                        stack.append(next)
                    }
                }
            }
            if steps > Self.stepLimit { break }
            sizes[start] = size
        }
        return sizes
    }
}
