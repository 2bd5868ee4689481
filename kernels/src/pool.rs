//! Threads that wait for the next parallel loop: a loop costs them a look at a counter, not a wake-up.
//!
//! A decoder step is a hundred loops of some hundred microseconds with little between them. Threads
//! spin for the next loop for about that long, then sleep. The caller works too and never waits for a
//! thread that has not begun: a loop that is over is closed, and who comes late goes away again.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

/// Looks at the counter before a thread sleeps, with a pause between two: some 50 microseconds.
const SPINS: u32 = 1000;
/// Looks before the caller lets other programs have its core while it waits for a thread.
const SPINS_BEFORE_YIELD: u32 = 100;

/// What every thread runs once in a loop.
type Body<'a> = &'a (dyn Fn() + Sync);

/// The threads of this process, as many as rayon's pool has.
pub(crate) struct Pool {
    /// Held by the caller whose loop runs.
    caller: Mutex<()>,
    shared: &'static Shared,
    threads: usize,
}

struct Shared {
    /// Odd while a loop is open.
    epoch: AtomicU64,
    /// Threads that may be running the open loop's body.
    inside: AtomicUsize,
    /// Of the open loop; its lifetime is that of the call to [`Pool::run`].
    body: UnsafeCell<Option<Body<'static>>>,
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `body` is written only by the holder of `caller` while the epoch is even, and read only by
// threads that found it odd after they entered; the holder waits for those before it writes again.
unsafe impl Sync for Shared {}

impl Pool {
    /// The one pool; its threads start with the first use.
    pub(crate) fn get() -> &'static Self {
        static POOL: OnceLock<Pool> = OnceLock::new();
        POOL.get_or_init(|| Self::start(rayon::current_num_threads()))
    }

    fn start(threads: usize) -> Self {
        let shared: &'static Shared = Box::leak(Box::new(Shared {
            epoch: AtomicU64::new(0),
            inside: AtomicUsize::new(0),
            body: UnsafeCell::new(None),
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
            panic: Mutex::new(None),
        }));
        let start = |i| {
            let thread = std::thread::Builder::new().name(format!("kernels-{i}"));
            thread.spawn(|| shared.work()).is_ok()
        };
        // Where the system gives no more threads, there are fewer.
        let started = (1..threads).take_while(|&i| start(i)).count();
        Self { caller: Mutex::new(()), shared, threads: 1 + started }
    }

    /// Threads that may run a loop, the caller's own included.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// While this is held, every loop runs on its caller's thread alone.
    #[cfg(test)]
    pub(crate) fn occupy(&self) -> MutexGuard<'_, ()> {
        lock(&self.caller)
    }

    /// Runs `body` once on this thread and once on every other that comes before this one is done.
    /// When it returns nobody runs it any more. While another loop runs, this thread runs it alone.
    pub(crate) fn run(&self, body: Body) {
        let caller = match self.caller.try_lock() {
            Ok(caller) => caller,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return body(),
        };
        let open = Open::new(self.shared, body);
        body();
        drop(open);
        // Taken before the next caller may come, who would clear it.
        let panic = lock(&self.shared.panic).take();
        drop(caller);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

/// An open loop; dropped, also by a panic, it is closed and everybody has left it.
struct Open(&'static Shared);

impl Open {
    /// Opens a loop; the caller holds [`Pool::caller`] and drops this before `body` ends.
    fn new(shared: &'static Shared, body: Body) -> Self {
        // SAFETY: only the lifetime changes; nobody runs `body` when this is dropped.
        let body = unsafe { std::mem::transmute::<Body<'_>, Body<'static>>(body) };
        // SAFETY: the epoch is even and nobody is inside: see `Shared`.
        unsafe { *shared.body.get() = Some(body) };
        // Left behind where the last caller fell itself.
        *lock(&shared.panic) = None;
        shared.epoch.fetch_add(1, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            // Whoever counts itself a sleeper sleeps once this lock is ours.
            drop(lock(&shared.sleep));
            shared.wake.notify_all();
        }
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.epoch.fetch_add(1, Ordering::SeqCst);
        let mut spins = 0;
        while self.0.inside.load(Ordering::SeqCst) > 0 {
            spins += 1;
            if spins < SPINS_BEFORE_YIELD {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

impl Shared {
    /// A thread's life.
    fn work(&self) {
        let mut done = 0;
        loop {
            done = self.next_epoch(done);
            self.inside.fetch_add(1, Ordering::SeqCst);
            if self.epoch.load(Ordering::SeqCst) == done {
                self.run_body();
            }
            self.inside.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Runs the body of the open loop, which stays open until this thread has left.
    fn run_body(&self) {
        // SAFETY: this thread entered and then found the epoch odd: see `Shared`.
        let Some(body) = (unsafe { *self.body.get() }) else { return };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
            *lock(&self.panic) = Some(panic);
        }
    }

    /// Waits for an open loop that is not the one `done` last.
    fn next_epoch(&self, done: u64) -> u64 {
        let news = || Some(self.epoch.load(Ordering::SeqCst)).filter(|e| e % 2 == 1 && *e != done);
        loop {
            for _ in 0..SPINS {
                if let Some(epoch) = news() {
                    return epoch;
                }
                std::hint::spin_loop();
            }
            let guard = lock(&self.sleep);
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            if news().is_none() {
                // A wake-up for no reason, or too late for its loop, only means another spin.
                drop(self.wake.wait(guard));
            }
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count_all(pool: &Pool, items: usize) {
        let (next, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
        pool.run(&|| {
            loop {
                let item = next.fetch_add(1, Ordering::Relaxed);
                if item >= items {
                    break;
                }
                sum.fetch_add(item, Ordering::Relaxed);
            }
        });
        assert_eq!(sum.into_inner(), items * items.saturating_sub(1) / 2);
    }

    #[test]
    fn loops_of_several_callers_each_see_all_their_items() {
        let pool = Pool::start(4);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..2000).for_each(|items| count_all(&pool, items % 50)));
            }
        });
    }

    #[test]
    fn threads_that_slept_come_back() {
        let pool = Pool::start(3);
        for _ in 0..5 {
            std::thread::sleep(std::time::Duration::from_millis(2));
            let here = std::thread::current().id();
            let others = AtomicUsize::new(0);
            // Long enough for a sleeper to come; the caller leaves once one did.
            let wait = || {
                while others.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now()
                }
            };
            pool.run(&|| match std::thread::current().id() == here {
                true => wait(),
                false => drop(others.fetch_add(1, Ordering::SeqCst)),
            });
        }
    }

    #[test]
    fn a_loop_within_a_loop_runs_on_its_thread() {
        let pool = Pool::start(2);
        pool.run(&|| count_all(&pool, 10));
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::start(2);
        let here = std::thread::current().id();
        let fallen = AtomicUsize::new(0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            pool.run(&|| {
                if std::thread::current().id() != here {
                    fallen.fetch_add(1, Ordering::SeqCst);
                    panic!("a thread fell");
                }
                while fallen.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
            });
        }));
        assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"a thread fell"));
        let outcome = catch_unwind(AssertUnwindSafe(|| pool.run(&|| panic!("all fell"))));
        assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"all fell"));
        count_all(&pool, 100);
    }
}
