import Glibc
import Synchronization

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
                remedy: "use fewer with \(.threads), or raise the limit with 'ulimit -u'")
        }
        handles.append(handle)
    }

    /// Starts up to so many threads that do the same work, or as many as the system gives: fewer do it as well.
    ///
    /// - Throws: when not even one can be started.
    mutating func start(upTo count: Int, _ run: @escaping @Sendable () -> Void) throws(ImageError) {
        for index in 0..<count {
            do throws(ImageError) {
                try start(run)
            } catch {
                if index == 0 { throw error }
                return
            }
        }
    }

    /// Waits for all of them.
    mutating func join() {
        for handle in handles { pthread_join(handle, nil) }
        handles = []
    }

    deinit {
        for handle in handles { pthread_join(handle, nil) }
    }
}

/// Runs `body` on up to `count` threads at once (as many as the system gives) and returns when all are done.
func onThreads(_ count: Int, _ body: @escaping @Sendable () -> Void) throws(ImageError) {
    if count <= 1 { return body() }
    var threads = Threads()
    try threads.start(upTo: count, body)
    threads.join()
}

/// Gives the numbers from 0 on to `body`, which runs on up to `count` threads at once: in runs of `batch`, each to whoever
/// asks for the next one. Where one of them fails there are no more, and its error is thrown when all are done.
func onThreads(
    _ count: Int, sharing total: Int, by batch: Int,
    _ body: @escaping @Sendable (_ next: () -> Range<Int>?) throws(ImageError) -> Void
) throws(ImageError) {
    let start = Atomic<Int>(0)
    let failure = Monitor(ImageError?.none)
    try onThreads(min(count, max(1, total.dividedRoundingUp(by: batch)))) {
        do throws(ImageError) {
            try body {
                let first = start.wrappingAdd(batch, ordering: .relaxed).oldValue
                return first < total ? first..<min(first + batch, total) : nil
            }
        } catch {
            failure.change { $0 = $0 ?? error }
            start.store(total, ordering: .relaxed)
        }
    }
    if let error = failure.change({ $0 }) { throw error }
}
