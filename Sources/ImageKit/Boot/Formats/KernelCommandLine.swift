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

    /// Splits a line at ASCII white space, as the kernel does. Quotation marks have no effect here.
    init(_ text: String) {
        words = text.utf8.split { $0 == 0x20 || (0x09...0x0D).contains($0) }.map { String(Substring($0)) }
    }

    /// The values of the words `name=…`; for most parameters, the last one counts. Words after `--` are left out: they
    /// are for the program that the kernel starts.
    func values(of name: String) -> [String] {
        words.prefix { $0 != "--" }.filter { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
    }

    /// The path in the last `init=`; `nil` if there is none.
    var initPath: String? { values(of: "init").last }

    /// All words, also those after `--`, except `init=…`.
    var wordsWithoutInit: [String] { words.filter { !$0.hasPrefix("init=") } }
}
