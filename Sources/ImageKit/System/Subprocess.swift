// `environ` is a variable, and here it is only read.
@preconcurrency import Glibc
import SystemPackage

private let streamSocket = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)

/// A program that was run to its end, and what it said.
struct Subprocess {
    /// More than any answer that is asked for here.
    private static let maximumOutput = 1 << 30
    /// How much of the end of the error output is kept.
    private static let keptErrors = 64 << 10

    /// What it wrote to standard output.
    private(set) var output: [UInt8] = []
    /// The end of what it wrote to standard error.
    private(set) var errors: [UInt8] = []
    /// Its exit status; for a signal, 128 and the signal's number.
    private(set) var status: Int32 = 0

    /// Runs a program, found in `PATH`, with nothing on its standard input.
    ///
    /// - Throws: ``ImageError/Code/notFound`` when there is no such program; when it cannot be started; when `progress`
    ///   is cancelled, after the program was ended. A program that fails is no error here: see ``status``.
    static func run(
        _ program: String, _ arguments: [String], progress: Progress? = nil
    ) throws(ImageError) -> Subprocess {
        let output = try Pipe(program)
        let errors = try Pipe(program)
        let process = try spawn(program, arguments, output: output.writeEnd, errors: errors.writeEnd)
        // With its ends of the pipes closed here, the program's exit ends them.
        let outputEnd = output.closeWriteEnd()
        let errorsEnd = errors.closeWriteEnd()
        var command = Subprocess()
        do throws(ImageError) {
            try command.collect(program, outputEnd.descriptor, errorsEnd.descriptor, progress)
        } catch {
            kill(process, SIGTERM)
            _ = try? wait(for: process, program)
            throw error
        }
        command.status = try wait(for: process, program)
        return command
    }

    // MARK: Starting

    private static func spawn(
        _ program: String, _ arguments: [String], output: Int32, errors: Int32
    ) throws(ImageError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        var attributes = posix_spawnattr_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, errors, 2)
        // A mask and an ignored SIGPIPE would be inherited, and programs do not expect them.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        sigaddset(&signals, SIGXFSZ)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var texts: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        defer { for text in texts { free(text) } }
        guard !texts.contains(nil) else { throw failure(program, ENOMEM) }
        texts.append(nil)
        var process: pid_t = 0
        let code = posix_spawnp(&process, program, &actions, &attributes, texts, environ)
        guard code == 0 else { throw failure(program, code) }
        return process
    }

    private static func failure(_ program: String, _ code: Int32) -> ImageError {
        .system(Errno(rawValue: code), "cannot run", path: FilePath(program))
    }

    private static func wait(for process: pid_t, _ program: String) throws(ImageError) -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw failure(program, errno) }
        }
        let signal = status & 0x7F
        return signal == 0 ? status >> 8 & 0xFF : 128 + signal
    }

    // MARK: Reading

    /// Reads both pipes as bytes come, so that the program never waits for one while we wait for the other.
    private mutating func collect(
        _ program: String, _ outputEnd: Int32, _ errorsEnd: Int32, _ progress: Progress?
    ) throws(ImageError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 1)
        defer { buffer.deallocate() }
        var ends = [
            pollfd(fd: outputEnd, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errorsEnd, events: Int16(POLLIN), revents: 0),
        ]
        while ends.contains(where: { $0.fd >= 0 }) {
            try progress?.checkCancelled()
            // It wakes up now and then to see whether it should stop. A negative descriptor is passed over.
            let ready = poll(&ends, nfds_t(ends.count), progress == nil ? -1 : 200)
            if ready < 0, errno != EINTR { throw Self.failure(program, errno) }
            guard ready > 0 else { continue }
            for index in ends.indices where ends[index].revents != 0 {
                let count = read(ends[index].fd, buffer.baseAddress, buffer.count)
                if count < 0 {
                    guard errno == EINTR else { throw Self.failure(program, errno) }
                } else if count == 0 {
                    ends[index].fd = -1
                } else if index == 0 {
                    output.append(contentsOf: buffer[..<count])
                } else {
                    errors.append(contentsOf: buffer[..<count])
                    if errors.count > 2 * Self.keptErrors { errors.removeFirst(errors.count - Self.keptErrors) }
                }
            }
            guard output.count <= Self.maximumOutput else {
                throw ImageError(
                    .invalidInput, "cannot use the answer of", path: program,
                    reason: "it is longer than \(ByteSize.format(UInt64(Self.maximumOutput)))")
            }
        }
    }

    /// The last lines of the error output, on one line, as it can be shown.
    var lastErrors: String {
        String(decoding: errors.suffix(4096), as: UTF8.self).split(separator: "\n").suffix(3)
            .map { ImageError.printable(String($0)) }.joined(separator: " / ")
    }
}

/// Both ends of a pipe, which no other program inherits.
///
/// It is a pair of sockets: they can be made close-on-exec in one step (for pipes that is `pipe2`, which Swift does not
/// see), so that a program that another thread starts at the same moment cannot hold an end open.
private struct Pipe: ~Copyable {
    /// A descriptor that is closed with this value.
    struct End: ~Copyable {
        let descriptor: Int32
        deinit { close(descriptor) }
    }

    private let readEnd: End
    private let written: End
    var writeEnd: Int32 { written.descriptor }

    init(_ program: String) throws(ImageError) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, streamSocket, 0, &ends) == 0 else {
            throw .system(.current, "cannot run", path: FilePath(program))
        }
        readEnd = End(descriptor: Self.raised(ends[0]))
        written = End(descriptor: Self.raised(ends[1]))
    }

    /// The same end with a number above the standard three, whose places in the child are taken one by one.
    private static func raised(_ descriptor: Int32) -> Int32 {
        guard (0...2).contains(descriptor) else { return descriptor }
        let higher = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard higher >= 0 else { return descriptor }
        close(descriptor)
        return higher
    }

    /// Closes the end to write to, and keeps the other.
    consuming func closeWriteEnd() -> End { readEnd }
}
