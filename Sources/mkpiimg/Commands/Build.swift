import ArgumentParser
import ImageKit
import SystemPackage

/// `mkpiimg build`, the default subcommand: writes an image.
struct Build: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make an image from a closure (the default).",
        usage: "mkpiimg [build] --closure ./result --out pi.img.zst [<options>]",
        discussion: """
            Sizes take K, M and G (powers of 1024). Results go to standard output, everything else to standard error.
            """)

    @OptionGroup(title: "Closure") var closure: ClosureArguments
    @OptionGroup(title: "Boot and firmware") var boot: BootArguments
    @OptionGroup(title: "Additions") var additions: AdditionArguments
    @OptionGroup(title: "Layout") var layout: LayoutArguments
    @OptionGroup(title: "Output") var output: OutputArguments

    func validate() throws {
        if output.out == nil, !output.plan {
            throw ValidationError("Missing expected argument '--out <file>'")
        }
        if let out = output.out, output.format(of: out) == nil {
            throw ValidationError(
                "--out takes a name that ends in '.img.zst' (compressed) or '.img' (raw), or '-' for standard output")
        }
        if output.out == "-", output.json {
            throw ValidationError("--json needs standard output for itself: name a file with --out")
        }
        do throws(ImageError) { try recipe.check() } catch { throw ValidationError(error.sentence) }
    }

    /// The recipe that the options describe.
    private var recipe: ImageRecipe {
        var recipe = ImageRecipe(closures: closure.closure)
        closure.fill(&recipe)
        boot.fill(&recipe)
        additions.fill(&recipe)
        layout.fill(&recipe)
        recipe.threads = output.work.threadCount
        return recipe
    }

    func run() throws {
        let started = ProgressDisplay.now
        let (plan, report) = try showing(output.work.progress, quiet: .plain) { (progress) throws(ImageError) in
            try build(progress)
        }
        for warning in plan.warnings { StandardError.write("warning: \(warning.sentence)\n") }
        let summary = BuildSummary(plan, report, seconds: ProgressDisplay.now - started, out: output.out)
        if output.json {
            try failing { () throws(ImageError) in try JSON.write(summary.document) }
        } else if output.plan {
            try failing { () throws(ImageError) in try StandardOutput.write(summary.text) }
        } else if output.work.progress != .none {
            StandardError.write(summary.text)
        }
    }

    /// Plans the image and, unless only the plan is wanted, writes it.
    private func build(_ progress: Progress) throws(ImageError) -> (ImagePlan, ImageWriter.Report?) {
        let recipe = recipe, threads = recipe.threads
        guard !output.plan, let out = output.out, let format = output.format(of: out) else {
            let plan = try ImagePlan(recipe, progress: progress)
            try plan.checkContent(threads: threads, progress: progress)
            return (plan, nil)
        }
        let target: ImageWriter.Target = out == "-" ? .standardOutput : .file(FilePath(out))
        // Planning takes time: check first that the image can be written.
        try target.check()
        let plan = try ImagePlan(recipe, progress: progress)
        let report = try ImageWriter(plan, format: format, threads: threads).write(to: target, progress: progress)
        return (plan, report)
    }
}
