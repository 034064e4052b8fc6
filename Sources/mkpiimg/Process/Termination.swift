import Glibc
import ImageKit

/// The signals that end the program: temporary files are removed first.
enum Termination {
    /// Blocks the signals in every thread and starts one thread that waits for them. Must be called before any other
    /// thread starts. `SIGPIPE` and `SIGXFSZ` are ignored, so that the write returns an error.
    static func prepare() {
        occupyStandardDescriptors()
        for number in [SIGPIPE, SIGXFSZ] { signal(number, SIG_IGN) }
        var signals = ending
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { _ in
                var signals = Termination.ending
                var number: Int32 = 0
                while sigwait(&signals, &number) != 0 {}
                TemporaryFiles.removeAll()
                StandardError.endLine()
                // No flush: another thread may hold the lock of a stream while its reader does not read.
                _exit(128 + number)
            }, nil)
        guard code == 0 else {
            // The signals then end the program at once. The next run removes its temporary files.
            pthread_sigmask(SIG_UNBLOCK, &signals, nil)
            return
        }
        pthread_detach(thread)
    }

    /// The signals that end the program, except those that were already ignored when it started, as `nohup` does.
    private static var ending: sigset_t {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var action = sigaction()
            sigaction(number, nil, &action)
            if unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
                != unsafeBitCast(SIG_IGN, to: Int.self)
            {
                sigaddset(&signals, number)
            }
        }
        return signals
    }

    /// Opens `/dev/null` for each standard descriptor that is closed. Otherwise the image's file could get its number.
    private static func occupyStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // A write to standard output must still fail.
            _ = open("/dev/null", descriptor == STDOUT_FILENO ? O_RDONLY : O_RDWR)
        }
    }

    /// Ends the process at once, without waiting for other threads.
    static func exit(_ code: Int32) -> Never {
        fflush(nil)
        _exit(code)
    }
}
