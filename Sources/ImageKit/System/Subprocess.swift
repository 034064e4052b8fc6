// `environ` is a variable. It is only read here.
@preconcurrency import Glibc
import SystemPackage

private let streamSocket = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)

/// A program that was run to its end, with its output.
struct Subprocess {
    /// More than any output that is needed here, in bytes.
    private static let maximumOutput = 1 << 30
    /// Bytes of the error output that are kept, from its end.
    private static let maximumErrors = 64 << 10

    /// The bytes that it wrote to standard output.
    private(set) var output: [UInt8] = []
    /// The end of its standard error.
    private(set) var errors: [UInt8] = []
    /// The exit status; 128 plus the signal's number if a signal ended it.
    private(set) var status: Int32 = 0

    /// Runs a program, found in `PATH`, with an empty standard input.
    ///
    /// - Throws: ``ImageError/Code/notFound`` if there is no such program; another error if it cannot be started; the
    ///   error of `progress` if that is cancelled, after ending the program. A program that fails is no error: see
    ///   ``status``.
    static func run(
        _ program: String, _ arguments: [String], progress: Progress? = nil
    ) throws(ImageError) -> Subprocess {
        let output = try Pipe(program)
        let errors = try Pipe(program)
        let process = try spawn(program, arguments, output: output.writeDescriptor, errors: errors.writeDescriptor)
        // Only the program has the write ends open from here on, so its exit closes the pipes.
        let outputEnd = output.closeWriteEnd()
        let errorsEnd = errors.closeWriteEnd()
        var result = Subprocess()
        do throws(ImageError) {
            try result.collect(program, outputEnd.descriptor, errorsEnd.descriptor, progress)
        } catch {
            kill(process, SIGTERM)
            _ = try? wait(for: process, program)
            throw error
        }
        result.status = try wait(for: process, program)
        return result
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
        // The program would inherit the mask and the ignored signals, which programs do not expect.
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

    /// Reads both pipes as bytes arrive, so that the program never blocks on one while this waits for the other.
    private mutating func collect(
        _ program: String, _ outputEnd: Int32, _ errorsEnd: Int32, _ progress: Progress?
    ) throws(ImageError) {
        let buffer = PageBuffer(count: 64 << 10)
        var ends = [
            pollfd(fd: outputEnd, events: Int16(POLLIN), revents: 0),
            pollfd(fd: errorsEnd, events: Int16(POLLIN), revents: 0),
        ]
        while ends.contains(where: { $0.fd >= 0 }) {
            try progress?.checkCancelled()
            // The timeout lets it check for cancellation. poll(2) ignores negative descriptors.
            let ready = poll(&ends, nfds_t(ends.count), progress == nil ? -1 : 200)
            if ready < 0, errno != EINTR { throw Self.failure(program, errno) }
            guard ready > 0 else { continue }
            for index in ends.indices where ends[index].revents != 0 {
                let count = read(ends[index].fd, buffer.bytes.baseAddress, buffer.bytes.count)
                if count < 0 {
                    guard errno == EINTR else { throw Self.failure(program, errno) }
                } else if count == 0 {
                    ends[index].fd = -1
                } else if index == 0 {
                    output.append(contentsOf: buffer.bytes[..<count])
                } else {
                    errors.append(contentsOf: buffer.bytes[..<count])
                    if errors.count > 2 * Self.maximumErrors { errors.removeFirst(errors.count - Self.maximumErrors) }
                }
            }
            guard output.count <= Self.maximumOutput else {
                throw ImageError(
                    .invalidInput, "cannot use the answer of", path: program,
                    reason: "it is longer than \(ByteSize.format(UInt64(Self.maximumOutput)))")
            }
        }
    }

    /// The last lines of the error output in one line, with control characters escaped.
    var lastErrors: String {
        String(decoding: errors.suffix(4096), as: UTF8.self).split(separator: "\n").suffix(3)
            .map { ImageError.printable(String($0)) }.joined(separator: " / ")
    }
}

/// Both ends of a pipe, which no other program inherits.
///
/// It is a pair of sockets, because these can be made close-on-exec in one step, so that a program that another thread
/// starts at the same moment cannot hold an end open. (For pipes the call is `pipe2`, which Swift does not see.)
private struct Pipe: ~Copyable {
    /// A descriptor, closed with this value.
    struct End: ~Copyable {
        let descriptor: Int32
        deinit { close(descriptor) }
    }

    private let readEnd: End
    private let writeEnd: End
    var writeDescriptor: Int32 { writeEnd.descriptor }

    init(_ program: String) throws(ImageError) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, streamSocket, 0, &ends) == 0 else {
            throw .system(.current, "cannot run", path: FilePath(program))
        }
        readEnd = End(descriptor: Self.raised(ends[0]))
        writeEnd = End(descriptor: Self.raised(ends[1]))
    }

    /// The same end with a number above 2, because the child's standard descriptors are replaced one by one.
    private static func raised(_ descriptor: Int32) -> Int32 {
        guard (0...2).contains(descriptor) else { return descriptor }
        let higher = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard higher >= 0 else { return descriptor }
        close(descriptor)
        return higher
    }

    /// Closes the write end, and keeps the read end.
    consuming func closeWriteEnd() -> End { readEnd }
}
