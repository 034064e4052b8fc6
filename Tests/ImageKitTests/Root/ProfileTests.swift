import Foundation
import SystemPackage
import Testing

@testable import ImageKit

/// The links of the system profile.
@Suite struct ProfileTests {
    private func tree(_ change: (inout ImageRecipe) -> Void) throws -> FileTree {
        let small = try SmallClosure.shared.get()
        var recipe = try small.registeredRecipe()
        recipe.hasProfile = true
        change(&recipe)
        let plan = try ImagePlan(recipe)
        let system = try ProfileLinks.target(Toplevel.find(in: plan.closure.roots, of: recipe.store))
        return try RootTree(
            plan.closure, in: recipe.store, toplevel: plan.toplevel, boot: recipe.bootOptions,
            registrationPath: recipe.registrationPath, deduplicates: false, profile: system,
            additions: recipe.additions, progress: nil
        ).tree
    }

    @Test(.enabled(if: Judge.hasExt4Tools, Comment(rawValue: Judge.ext4Reason)))
    func makesTheFirstGeneration() throws {
        let directory = try ScratchDirectory()
        let (image, _) = try directory.judgedByKernel(tree { _ in })
        let links = try Ext4Judge.debugfs("ls -l /nix/var/nix/profiles", image)
        #expect(links.contains("system") && links.contains("120777"), "\(links)")
        #expect(try Ext4Judge.debugfs("stat /nix/var/nix/profiles/system", image).contains("\"system-1-link\""))
        #expect(
            try Ext4Judge.debugfs("cat /nix/var/nix/profiles/system-1-link", image)
                .contains("/nix/store/6aaabbbcccdddfffggghhhiiijjjkkkl-nixos-system-small-24.05"))
        for path in ["/nix/var", "/nix/var/nix", "/nix/var/nix/profiles"] {
            let output = try Ext4Judge.debugfs("stat \(path)", image)
            for word in ["Mode:  0755", "User:     0", "mtime: 0x00000001"] {
                #expect(output.contains(word), "\(output)")
            }
        }
    }

    @Test func needsNoBootLoader() throws {
        let tree = try tree { $0.boot = .none }
        #expect(tree.node(at: "/boot") == nil)
        #expect(tree.node(at: "/nix/var/nix/profiles/system-1-link").map { tree.kind(of: $0) } == .symlink)
    }

    @Test func needsASystem() throws {
        let small = try SmallClosure.shared.get()
        let name = try small.path("-etc").lastComponent?.string ?? ""
        var recipe = try small.registeredRecipe()
        recipe.closures = [FilePath("/nix/store/\(name)")]
        recipe.boot = .none
        recipe.hasProfile = true
        let error = message(try ImagePlan(recipe))
        #expect(error.contains("no system for the profile") && error.contains("leave profile out"), "\(error)")
    }

    @Test func nothingReplacesIt() throws {
        let directory = try ScratchDirectory()
        let profiles = directory.path + "/nix/var/nix/profiles"
        try FileManager.default.createDirectory(atPath: profiles, withIntermediateDirectories: true)
        symlink("system-7-link", profiles + "/per-user")
        _ = try tree { $0.additions.directories = [FilePath(directory.path)] }
        for name in ["system", "system-1-link"] {
            symlink("system-7-link", "\(profiles)/\(name)")
            let small = try SmallClosure.shared.get()
            var recipe = try small.registeredRecipe()
            recipe.additions.directories = [FilePath(directory.path)]
            // Without a profile it is a link like any other.
            _ = try ImagePlan(recipe)
            recipe.hasProfile = true
            let error = message(try ImagePlan(recipe))
            #expect(
                error.contains("'/nix/var/nix/profiles/\(name)'") && error.contains("the system profile"), "\(error)")
            unlink("\(profiles)/\(name)")
        }
    }
}
