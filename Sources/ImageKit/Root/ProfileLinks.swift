/// The system profile and its first generation, as `nix-env` makes them:
///
/// ```
///   /nix/var/nix/profiles/system        → system-1-link
///   /nix/var/nix/profiles/system-1-link → /nix/store/<hash>-nixos-system-…
/// ```
///
/// With these links, the first boot's `nix-env --profile … --set` finds that the system is generation 1 already, and a
/// garbage collection before the first switch keeps it.
enum ProfileLinks {
    private static let directory = "/nix/var/nix/profiles"
    private static let profile = "system"
    private static let generation = "system-1-link"

    /// The paths of the links.
    static var paths: [String] { [profile, generation].map { "\(directory)/\($0)" } }

    /// Adds the links to the root filesystem.
    static func add(
        _ toplevel: StorePath, to builder: inout TreeBuilder, of tree: inout FileTree
    ) throws(ImageError) {
        for (name, target) in [(profile, generation), (generation, toplevel.path)] {
            let link = tree.addSymlink(to: target.utf8, FileAttributes(permissions: 0o777))
            try builder.put(link, at: "\(directory)/\(name)")
        }
    }

    /// The store path that the links lead to.
    /// - Parameter system: the system that was found in the closures.
    /// - Throws: when no system was found.
    static func target(_ system: Toplevel?) throws(ImageError) -> StorePath {
        if let system { return system.path }
        throw ImageError(
            .invalidInput, "there is no system for the profile", path: "\(directory)/\(profile)",
            reason: "none of the closures has 'init', 'nixos-version' and 'kernel'",
            remedy: "give a NixOS system's toplevel with \(.closure), or leave \(.profile) out")
    }
}
