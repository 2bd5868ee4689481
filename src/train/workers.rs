//! Micro-batches side by side, each on threads of its own.
//!
//! For a small model this beats all threads inside each operation, since everything between the
//! matrix products runs in parallel too. What comes out does not depend on the number of workers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

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

    /// The results of `work(0..items)`, in order.
    pub fn map<T: Send>(&self, items: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
        if self.pools.len() < 2 || items < 2 {
            return (0..items).map(work).collect();
        }
        let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items)));
        let draw = || {
            loop {
                let item = next.fetch_add(1, Ordering::Relaxed);
                if item >= items {
                    break;
                }
                let result = work(item);
                done.lock().unwrap_or_else(PoisonError::into_inner).push((item, result));
            }
        };
        std::thread::scope(|scope| {
            for pool in self.pools.iter().take(items) {
                scope.spawn(|| pool.install(draw));
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|&(item, _)| item);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_in_order() {
        for workers in [Workers::none(), Workers::share(3).unwrap()] {
            for items in [0, 1, 5, 100] {
                let expected: Vec<usize> = (0..items).map(|i| i * i).collect();
                assert_eq!(workers.map(items, |i| i * i), expected);
            }
        }
    }

    #[test]
    fn workers_share_the_threads() {
        let threads = rayon::current_num_threads();
        let workers = Workers::share(2).unwrap();
        let seen = workers.map(2, |_| rayon::current_num_threads());
        let expected = if threads < 2 { threads } else { threads / 2 };
        assert_eq!(seen, [expected; 2]);
        assert_eq!(Workers::share(1000).unwrap().pools.len(), threads);
    }
}
