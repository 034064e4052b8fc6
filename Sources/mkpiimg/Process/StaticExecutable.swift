#if STATIC_EXECUTABLE
    // Swift's runtime reads the arguments and the program's path from `/proc` when a program starts. The static program
    // (`release/static.sh`) must also run without `/proc`, as in an empty chroot. This file makes both reads
    // unnecessary.

    /// The arguments of a C program, `argv`.
    private typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

    @_silgen_name("_swift_stdlib_overrideUnsafeArgvArgc")
    private func setArguments(_ arguments: Arguments?, _ count: Int32)

    /// Passes the arguments to the runtime, which would otherwise search `/proc/self/maps` for them. Before `main`,
    /// glibc calls each function in this section with the arguments.
    @section(".init_array") @used
    private let passArguments: @convention(c) (Int32, Arguments?) -> Void = { setArguments($1, $0) }

    /// Returns `nil`: there is no such program. The runtime looks for its crash reporter, which is not part of the
    /// static program, in the directory of `/proc/self/exe`. Without `/proc`, that search would end the program.
    @_cdecl("__wrap_swift_copyAuxiliaryExecutablePath")
    func noAuxiliaryExecutable(_ name: UnsafePointer<CChar>) -> UnsafeMutablePointer<CChar>? { nil }
#endif
