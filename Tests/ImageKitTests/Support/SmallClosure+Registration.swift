import Foundation
import SystemPackage

@testable import ImageKit

extension SmallClosure {
    /// The registration of the small closure, created once: a debug build scans for references for seconds.
    private static let registration = Result {
        let shared = try SmallClosure.shared.get()
        let recipe = shared.recipe
        var roots: [StorePath] = []
        for closure in recipe.closures { roots.append(try recipe.store.resolve(closure)) }
        let closure = try Closure.load(roots: roots, from: .scan, store: recipe.store, threads: 2)
        let file = shared.directory.appending("registration")
        try Data(closure.registration.encoded()).write(to: URL(fileURLWithPath: file.string))
        return file
    }

    /// A copy of the shared closure that a test may change. It is faster than creating one.
    init(copyTo directory: FilePath) throws {
        let copied = try Judge.run("cp", ["-a", SmallClosure.shared.get().directory.string, directory.string])
        guard copied.status == 0 else { throw ImageError(.internal, "cannot copy the closure", reason: copied.said) }
        self.directory = directory
    }

    /// The recipe with a registration of the unchanged closure.
    func registeredRecipe() throws -> ImageRecipe {
        var recipe = recipe
        recipe.source = .registration(try Self.registration.get())
        return recipe
    }
}
