import Glibc

/// A value behind a lock; whoever needs it borrows it for the length of a closure.
///
/// Over a pthread mutex, not `Synchronization.Mutex`: ThreadSanitizer on Linux does not see the latter's futex and reports races
/// inside it. Not recursive: taking the lock inside the closure is a deadlock. Do no I/O in the closure.
public final class Locked<Value: ~Copyable>: @unchecked Sendable {
    // Sendable: the value is reached under the mutex only, and the closure may neither keep nor smuggle what it borrows (`sending`).
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    public init(_ value: consuming sending Value) {
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        let result = pthread_mutex_init(mutex, nil)
        precondition(result == 0, "pthread_mutex_init: \(result)")
        self.value = .allocate(capacity: 1)
        self.value.initialize(to: value)
    }

    deinit {
        value.deinitialize(count: 1)
        value.deallocate()
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Runs the body with the value, alone; waits for whoever has it now.
    public func withLock<R: ~Copyable, E: Error>(_ body: (inout sending Value) throws(E) -> sending R) throws(E) -> sending R {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value.pointee)
    }
}
