/// The words that a kernel is started with.
///
/// ```
///   console=ttyS0,115200n8 console=tty0 root=LABEL=NIXOS_SD init=/nix/store/…/init -- words for init
/// ```
///
/// Source: the kernel's documentation, "The kernel's command-line parameters".
struct KernelCommandLine: Hashable, Sendable {
    /// The words in their order.
    let words: [String]

    /// Takes a line apart where the kernel does.
    init(_ text: String) {
        words = text.utf8.split { $0 == 0x20 || (0x09...0x0D).contains($0) }.map { String(Substring($0)) }
    }

    /// What the words say that begin with `name=`; of most parameters the last one counts. What follows `--` is for the
    /// program that the kernel starts.
    func values(of name: String) -> [String] {
        words.prefix { $0 != "--" }.filter { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
    }

    /// What `init=` names.
    var initPath: String? { values(of: "init").last }

    /// The words without `init=`.
    var others: [String] { words.filter { !$0.hasPrefix("init=") } }
}
