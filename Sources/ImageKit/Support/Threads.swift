#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Threads of the system's own for work that blocks in reads and writes (which Swift's cooperative pool must not do).
struct Threads: ~Copyable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private var handles: [pthread_t] = []

    /// Starts one more thread; it is joined when this value goes away, or by ``join()``.
    mutating func start(_ run: @escaping @Sendable () -> Void) throws(ImageError) {
        let body = Unmanaged.passRetained(Body(run))
        var handle = pthread_t()
        let code = pthread_create(
            &handle, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        guard code == 0 else {
            body.release()
            throw ImageError(
                .inputOutput, "cannot start a thread", reason: String(cString: strerror(code)),
                remedy: "use fewer with --threads, or raise the limit with 'ulimit -u'")
        }
        handles.append(handle)
    }

    /// Waits for all of them.
    mutating func join() {
        for handle in handles { pthread_join(handle, nil) }
        handles = []
    }

    deinit {
        for handle in handles { pthread_join(handle, nil) }
    }

    /// Processors of this machine that are at work.
    static var processors: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}

/// Runs `body` on up to `count` threads at once (as many as the system gives) and returns when all are done.
func onThreads(_ count: Int, _ body: @escaping @Sendable () -> Void) throws(ImageError) {
    if count <= 1 { return body() }
    var threads = Threads()
    for index in 0..<count {
        do throws(ImageError) {
            try threads.start(body)
        } catch {
            // Fewer do the same work.
            if index == 0 { throw error }
            break
        }
    }
    threads.join()
}
