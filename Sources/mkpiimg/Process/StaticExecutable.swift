#if STATIC_EXECUTABLE
    // What Swift's runtime asks `/proc` for when a program starts, in the static program (`release/static.sh`): it is to
    // run where there is no `/proc`, as in an empty chroot. Here it is told instead.

    /// A vector of strings, as C programs get their arguments.
    private typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    @_silgen_name("_swift_stdlib_overrideUnsafeArgvArgc")
    private func setArguments(_ arguments: Arguments?, _ count: Int32)

    /// Gives the runtime the arguments, which it would read from memory that `/proc/self/maps` points to. glibc hands
    /// them to every function of this section, before `main`.
    @section(".init_array") @used
    private let takeArguments: @convention(c) (Int32, Arguments?) -> Void = { setArguments($1, $0) }

    /// Says that there is no such program beside this one. The runtime looks for its crash reporter, which the static
    /// program doesn't bring; where it cannot learn from `/proc/self/exe` where it lies, it would end the program.
    @_cdecl("__wrap_swift_copyAuxiliaryExecutablePath")
    func noAuxiliaryExecutable(_ name: UnsafePointer<CChar>) -> UnsafeMutablePointer<CChar>? { nil }
#endif
