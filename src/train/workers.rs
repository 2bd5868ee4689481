//! Micro-batches side by side, each on threads of its own.
//!
//! For a small model this beats all threads inside each operation, since everything between the
//! matrix products runs in parallel too. What comes out does not depend on the number of workers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::error::TrainError;

/// A fixed crew of workers.
#[derive(Debug)]
pub struct Workers {
    /// Each with its share of the threads, so that operations inside use no more than those.
    pools: Vec<ThreadPool>,
}

impl Workers {
    /// Workers for up to `items` pieces of work at a time, which share the threads there are.
    ///
    /// # Errors
    /// When the system gives no more threads.
    pub fn share(items: usize) -> Result<Self, TrainError> {
        let threads = rayon::current_num_threads();
        let count = items.clamp(1, threads);
        let pool = |_| ThreadPoolBuilder::new().num_threads(threads / count).build();
        let pools = (0..count).map(pool).collect::<Result<_, _>>();
        let failed = |e| TrainError::Setting(format!("cannot start the threads to train on: {e}"));
        Ok(Self { pools: pools.map_err(failed)? })
    }

    /// No worker: work is done by the caller, one item after another, each on all threads.
    pub fn none() -> Self {
        Self { pools: Vec::new() }
    }

    /// Gives the results of `work(0..items)` to `take`, in order. A worker that is ahead waits for
    /// its turn, so there are never more results than workers.
    pub fn for_each<T: Send>(
        &self,
        items: usize,
        work: impl Fn(usize) -> T + Sync,
        take: impl FnMut(T) + Send,
    ) {
        if self.pools.len() < 2 || items < 2 {
            return (0..items).map(work).for_each(take);
        }
        let (next, turns) = (AtomicUsize::new(0), Turns::new(take));
        let draw = || {
            let _abandon = Abandon(&turns);
            loop {
                let item = next.fetch_add(1, Ordering::Relaxed);
                if item >= items || !turns.take(item, work(item)) {
                    break;
                }
            }
        };
        std::thread::scope(|scope| {
            for pool in self.pools.iter().take(items) {
                scope.spawn(|| pool.install(draw));
            }
        });
    }
}

/// Lets results through in the order of their items.
struct Turns<F> {
    state: Mutex<(Turn, F)>,
    changed: Condvar,
}

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Of(usize),
    /// Nobody's any more: a worker panicked, and what it owed will not come.
    Abandoned,
}

impl<F> Turns<F> {
    fn new(take: F) -> Self {
        Self { state: Mutex::new((Turn::Of(0), take)), changed: Condvar::new() }
    }

    /// Waits for the turn of `item` and hands its result over; false if the turn will not come.
    fn take<T>(&self, item: usize, result: T) -> bool
    where
        F: FnMut(T),
    {
        let waits = |state: &mut (Turn, F)| state.0 != Turn::Of(item) && state.0 != Turn::Abandoned;
        let mut state =
            self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        if state.0 == Turn::Abandoned {
            return false;
        }
        (state.1)(result);
        state.0 = Turn::Of(item + 1);
        self.changed.notify_all();
        true
    }

    fn lock(&self) -> MutexGuard<'_, (Turn, F)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Frees those who wait when the worker that holds this panics.
struct Abandon<'a, F>(&'a Turns<F>);

impl<F> Drop for Abandon<'_, F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lock().0 = Turn::Abandoned;
            self.0.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected<T: Send>(
        workers: &Workers,
        items: usize,
        work: impl Fn(usize) -> T + Sync,
    ) -> Vec<T> {
        let mut results = Vec::new();
        workers.for_each(items, work, |result| results.push(result));
        results
    }

    #[test]
    fn every_item_is_done_once_and_in_order() {
        for workers in [Workers::none(), Workers::share(3).unwrap()] {
            for items in [0, 1, 5, 100] {
                let expected: Vec<usize> = (0..items).map(|i| i * i).collect();
                assert_eq!(collected(&workers, items, |i| i * i), expected);
            }
        }
    }

    /// Counts the results that are alive, and remembers the most.
    #[derive(Default)]
    struct Census {
        alive: AtomicUsize,
        most: AtomicUsize,
    }

    struct Counted<'a>(&'a Census);

    impl<'a> Counted<'a> {
        fn new(census: &'a Census) -> Self {
            let alive = census.alive.fetch_add(1, Ordering::SeqCst) + 1;
            census.most.fetch_max(alive, Ordering::SeqCst);
            Self(census)
        }
    }

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.alive.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn no_more_results_are_alive_than_there_are_workers() {
        let shared = Workers::share(3).unwrap();
        let limit = shared.pools.len();
        for (workers, limit) in [(Workers::none(), 1), (shared, limit)] {
            let census = Census::default();
            let first_is_slow = |item| {
                if item == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
                Counted::new(&census)
            };
            workers.for_each(40, first_is_slow, drop);
            assert_eq!(census.alive.load(Ordering::SeqCst), 0);
            assert!(census.most.load(Ordering::SeqCst) <= limit);
        }
    }

    #[test]
    fn a_panic_ends_the_work_for_all() {
        let workers = Workers::share(3).unwrap();
        let work = |item| assert_ne!(item, 4, "the fifth item fails");
        let run = std::panic::AssertUnwindSafe(|| workers.for_each(100, work, drop));
        assert!(std::panic::catch_unwind(run).is_err());
    }

    #[test]
    fn workers_share_the_threads() {
        let threads = rayon::current_num_threads();
        let workers = Workers::share(2).unwrap();
        let seen = collected(&workers, 2, |_| rayon::current_num_threads());
        let expected = if threads < 2 { threads } else { threads / 2 };
        assert_eq!(seen, [expected; 2]);
        assert_eq!(Workers::share(1000).unwrap().pools.len(), threads);
    }
}
