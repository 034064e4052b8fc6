import ImageKit

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Signals that end the program: nothing half-written stays behind.
enum Termination {
    /// Blocks the signals in every thread and has one thread wait for them. A closed pipe becomes an ordinary error of
    /// the write.
    static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        var thread = pthread_t()
        pthread_create(
            &thread, nil,
            { _ in
                var signals = sigset_t()
                sigemptyset(&signals)
                for number in [SIGINT, SIGTERM, SIGHUP] { sigaddset(&signals, number) }
                var number: Int32 = 0
                while sigwait(&signals, &number) != 0 {}
                TemporaryFiles.removeAll()
                StandardError.endLine()
                Termination.exit(128 + number)
            }, nil)
        pthread_detach(thread)
    }

    /// Ends the process at once, without waiting for other threads.
    static func exit(_ code: Int32) -> Never {
        fflush(nil)
        _exit(code)
    }
}
