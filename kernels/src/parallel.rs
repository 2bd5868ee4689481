//! One parallel loop over numbered work items, for kernels that write disjoint parts of a buffer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::pool::Pool;

/// Whether a call is large enough to be worth waking other threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    Serial,
    Threads,
}

impl Spread {
    /// Threads pay off above about this many multiply-adds: some microseconds on one core.
    const WORTH: usize = 1 << 17;

    pub(crate) fn for_work(multiply_adds: usize) -> Self {
        if multiply_adds < Self::WORTH { Spread::Serial } else { Spread::Threads }
    }
}

/// Threads that a loop may run on.
pub(crate) fn threads() -> usize {
    Pool::get().threads()
}

/// Runs `body(0..items)`, each once. Threads draw the next item as they become free, the caller
/// among them; which thread runs an item is open.
pub(crate) fn for_each(items: usize, spread: Spread, body: impl Fn(usize) + Sync) {
    if spread == Spread::Serial || items < 2 || threads() < 2 {
        (0..items).for_each(body);
        return;
    }
    let next = AtomicUsize::new(0);
    Pool::get().run(&|| {
        loop {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= items {
                break;
            }
            body(item);
        }
    });
}

/// Runs `body` on each of `parts`, each once; which thread runs a part is open.
pub(crate) fn for_each_part<T: Send>(
    parts: impl Iterator<Item = T>,
    spread: Spread,
    body: impl Fn(T) + Sync,
) {
    if spread == Spread::Serial {
        parts.for_each(body);
        return;
    }
    let parts: Vec<Mutex<Option<T>>> = parts.map(|part| Mutex::new(Some(part))).collect();
    for_each(parts.len(), spread, |i| {
        let part = parts[i].lock().unwrap_or_else(PoisonError::into_inner).take();
        part.into_iter().for_each(&body);
    });
}

/// A pointer that several threads may write through, each to its own part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharedMut(*mut f32);

// SAFETY: the pointer is only used by kernels that give every work item its own elements.
unsafe impl Send for SharedMut {}
// SAFETY: as above.
unsafe impl Sync for SharedMut {}

impl SharedMut {
    pub(crate) fn new(slice: &mut [f32]) -> Self {
        Self(slice.as_mut_ptr())
    }

    pub(crate) fn ptr(self) -> *mut f32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_runs_once() {
        for spread in [Spread::Serial, Spread::Threads] {
            for items in [0, 1, 2, 1000] {
                let seen: Vec<_> = (0..items).map(|_| AtomicUsize::new(0)).collect();
                for_each(items, spread, |i| {
                    seen[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 1));
                let mut numbers: Vec<usize> = (0..items).collect();
                for_each_part(numbers.chunks_mut(3), spread, |part| {
                    part.iter_mut().for_each(|n| *n += 1);
                });
                assert!(numbers.into_iter().eq(1..=items));
            }
        }
    }
}
