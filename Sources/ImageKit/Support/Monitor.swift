import Glibc

/// A value behind a lock, with waiting: what the pipeline's threads share.
///
/// (`Synchronization.Mutex` has no condition to wait on.) It lives on the heap and is only touched with the lock held,
/// which is what makes the unchecked conformance true.
final class Monitor<State>: @unchecked Sendable {
    private let lock: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var state: State

    init(_ state: sending State) {
        lock = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        lock.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(lock, nil)
        pthread_cond_init(condition, nil)
        self.state = state
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(lock)
        condition.deallocate()
        lock.deallocate()
    }

    /// Runs `body` with the lock held, then wakes everyone who waits.
    func change<Result>(_ body: (inout State) -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(lock)
        }
        return body(&state)
    }

    /// Waits until `body` gives a value; it is asked again after every ``change(_:)``.
    func wait<Result>(_ body: (inout State) -> Result?) -> Result {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(lock)
        }
        while true {
            if let result = body(&state) { return result }
            pthread_cond_wait(condition, lock)
        }
    }
}
