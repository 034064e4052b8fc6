import Glibc
import Synchronization

/// POSIX threads, for work that blocks in reads and writes. (Threads of Swift's cooperative pool must not block.)
struct Threads: ~Copyable {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private var handles: [pthread_t] = []

    /// Starts one more thread. ``join()`` and the deinitializer wait until it has ended.
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

    /// Starts up to `count` threads that share the same work. If the system refuses one, those before it do the work.
    ///
    /// - Throws: if the system refuses the first one.
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

    /// Waits until all threads have ended.
    mutating func join() {
        for handle in handles { pthread_join(handle, nil) }
        handles = []
    }

    deinit {
        for handle in handles { pthread_join(handle, nil) }
    }
}

/// Runs `body` on up to `count` threads at once, fewer if the system refuses some, and returns when all have ended.
///
/// If `count` is 1 or less, the calling thread runs `body` once.
/// - Throws: if the system refuses the first thread.
func onThreads(_ count: Int, _ body: @escaping @Sendable () -> Void) throws(ImageError) {
    if count <= 1 { return body() }
    var threads = Threads()
    try threads.start(upTo: count, body)
    threads.join()
}

/// Distributes the numbers `0..<total` over up to `count` threads at once, each of which runs `body`.
///
/// - Parameters:
///   - batch: how many numbers `next` returns at once, at least 1; the last range may be shorter.
///   - body: calls `next` for the next range of numbers, until it returns `nil`.
/// - Throws: the first error of a thread, after all have ended. After an error, `next` returns `nil`.
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
