import Glibc
import ImageKit

/// Signals that end the program: nothing half-written stays behind.
enum Termination {
    /// Blocks the signals in every thread and has one thread wait for them. A closed pipe becomes an ordinary error of
    /// the write.
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
                // Not flushing: another thread may be in the middle of writing to a reader that does not read.
                _exit(128 + number)
            }, nil)
        guard code == 0 else {
            // They end the program at once then, and what it leaves behind, the next run removes.
            pthread_sigmask(SIG_UNBLOCK, &signals, nil)
            return
        }
        pthread_detach(thread)
    }

    /// The signals that end the program, without those that whoever started it wants ignored (as `nohup` does).
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

    /// A program that was started with a closed standard output or error would get the image's file under that number.
    private static func occupyStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // Writing to standard output must go on failing.
            _ = open("/dev/null", descriptor == STDOUT_FILENO ? O_RDONLY : O_RDWR)
        }
    }

    /// Ends the process at once, without waiting for other threads.
    static func exit(_ code: Int32) -> Never {
        fflush(nil)
        _exit(code)
    }
}
