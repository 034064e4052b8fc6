import Glibc

/// A value that threads share: a lock protects it, and threads can wait for it to change (a monitor in Hoare's sense).
///
/// (`Synchronization.Mutex` has no condition variable.) The unchecked conformance is safe because the value is on the
/// heap and only accessed with the lock held.
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

    /// Runs `body` with the lock held, then wakes all waiting threads.
    func change<Result>(_ body: (inout State) -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer {
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(lock)
        }
        return body(&state)
    }

    /// Waits until `body` returns a value. Calls it with the lock held: at once, and again after each ``change(_:)``.
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
