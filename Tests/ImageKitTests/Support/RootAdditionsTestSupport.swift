import SystemPackage
import Testing

@testable import ImageKit

/// A suite that adds files to a small root filesystem.
protocol AddsToRoot {}

extension AddsToRoot {
    /// Makes files with a shell script that runs in a new directory.
    func make(_ script: String, in scratch: borrowing ScratchDirectory, _ name: String) throws -> FilePath {
        let directory = scratch.path + "/" + name
        let made = try Judge.run("bash", ["-euc", "umask 022; mkdir \"$1\"; cd \"$1\"; \(script)", "-", directory])
        try #require(made.status == 0, "\(made.said)")
        return FilePath(directory)
    }

    /// A generated root filesystem: a store, a menu, a registration.
    func generated() throws -> FileTree {
        var tree = FileTree()
        var builder = TreeBuilder()
        let store = try tree.addDirectory([], FileAttributes(permissions: 0o755))
        try builder.put(store, at: "/nix/store")
        for path in ["/boot/extlinux/extlinux.conf", "/registration", "/nix/var/nix/profiles/system"] {
            try builder.put(tree.addFile("generated".utf8, FileAttributes(permissions: 0o444)), at: path)
        }
        tree.root = try builder.build(into: &tree)
        return tree
    }

    /// The root filesystem with additions.
    func added(
        _ directories: [FilePath] = [], _ copies: [String] = []
    ) throws(ImageError) -> (tree: FileTree, isPrivate: Bool, warnings: [String]) {
        var tree: FileTree
        do { tree = try generated() } catch { throw ImageError(.internal, "\(error)") }
        var additions = RootAdditions()
        additions.directories = directories
        for copy in copies { additions.copies.append(try RootCopy(parsing: copy)) }
        let result = try additions.apply(to: &tree, in: StoreLocation(), keeping: kept, progress: nil)
        return (tree, result.isPrivate, result.warnings.map(\.description))
    }

    func text(_ tree: FileTree, _ path: String) throws -> String {
        let node = try #require(tree.node(at: path), "\(path)")
        var bytes = [UInt8](repeating: 0, count: Int(tree.size(of: node)))
        try tree.read(node, count: bytes.count, at: 0, into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    func attributes(_ tree: FileTree, _ path: String) throws -> FileAttributes {
        try tree.attributes(of: #require(tree.node(at: path), "\(path)"))
    }
}

private let kept = [
    RootOverlay.Kept("/nix/store", "the store", remedy: "add store paths"),
    RootOverlay.Kept("//registration/", "the registration", remedy: "move it"),
]
