import ArgumentParser
import ImageKit

/// `mkpiimg completions`: prints the script with which a shell completes this program's arguments.
struct Completions: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a completion script for bash, zsh or fish.",
        discussion: """
            bash: mkpiimg completions bash >/etc/bash_completion.d/mkpiimg
            zsh:  mkpiimg completions zsh >~/.zsh/completions/_mkpiimg
            fish: mkpiimg completions fish >~/.config/fish/completions/mkpiimg.fish
            """)

    @Argument(help: "The shell: bash, zsh or fish.")
    var shell: String

    func run() throws {
        guard let shell = CompletionShell(rawValue: shell) else {
            throw ValidationError("there are completions for bash, zsh and fish")
        }
        try failing { () throws(ImageError) in
            try StandardOutput.write(MkPiImg.completionScript(for: shell) + "\n")
        }
    }
}
