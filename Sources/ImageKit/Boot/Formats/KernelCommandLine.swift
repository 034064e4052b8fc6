/// The command line of a kernel.
///
/// ```
///   console=ttyS0,115200n8 console=tty0 root=LABEL=NIXOS_SD init=/nix/store/…/init -- words for init
/// ```
///
/// Source: the kernel's documentation, "The kernel's command-line parameters".
struct KernelCommandLine: Hashable, Sendable {
    /// The words in their order.
    let words: [String]

    /// Splits a line at the characters that the kernel takes for spaces.
    init(_ text: String) {
        words = text.utf8.split { $0 == 0x20 || (0x09...0x0D).contains($0) }.map { String(Substring($0)) }
    }

    /// The values of the words `name=…`; of most parameters the last one counts. Words after `--` are for the program
    /// that the kernel starts.
    func values(of name: String) -> [String] {
        words.prefix { $0 != "--" }.filter { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
    }

    /// The program of `init=`.
    var initPath: String? { values(of: "init").last }

    /// The words without `init=`.
    var wordsWithoutInit: [String] { words.filter { !$0.hasPrefix("init=") } }
}
