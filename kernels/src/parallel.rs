//! One parallel loop over numbered work items, for kernels that write disjoint parts of a buffer.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::team;

/// Whether a call is large enough to be worth waking other threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    Serial,
    Threads,
}

impl Spread {
    /// Threads pay off above about this many multiply-adds (some microseconds on one core).
    const WORTH: usize = 1 << 17;

    pub(crate) fn for_work(multiply_adds: usize) -> Self {
        if multiply_adds < Self::WORTH { Spread::Serial } else { Spread::Threads }
    }
}

/// Runs `body(0..items)`, each once. Threads draw the next item as they become free, the caller
/// among them, so a thread that is slow to come costs nothing; which thread runs an item is open.
pub(crate) fn for_each(items: usize, spread: Spread, body: impl Fn(usize) + Sync) {
    let threads = match spread {
        Spread::Serial => 1,
        Spread::Threads => rayon::current_num_threads(),
    };
    if threads.min(items) <= 1 {
        (0..items).for_each(body);
        return;
    }
    let next = AtomicUsize::new(0);
    let draw = || {
        loop {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= items {
                break;
            }
            body(item);
        }
    };
    if team::run(threads - 1, &draw) {
        return;
    }
    rayon::in_place_scope(|scope| {
        for _ in 1..threads.min(items) {
            scope.spawn(|_| draw());
        }
        draw();
    });
}

/// Cuts equally long outputs into pieces of `piece` elements and runs `body` on each piece with its
/// range of elements.
pub(crate) fn for_each_piece<const N: usize>(
    outputs: [&mut [f32]; N],
    piece: usize,
    spread: Spread,
    body: impl Fn(Range<usize>, [&mut [f32]; N]) + Sync,
) {
    let len = outputs.first().map_or(0, |output| output.len());
    assert!(outputs.iter().all(|output| output.len() == len), "outputs of one length");
    let outputs = outputs.map(SharedMut::new);
    for_each(len.div_ceil(piece), spread, |i| {
        let range = i * piece..len.min((i + 1) * piece);
        let pieces = outputs.map(|output| {
            // SAFETY: the ranges of different items do not overlap.
            unsafe { std::slice::from_raw_parts_mut(output.ptr().add(range.start), range.len()) }
        });
        body(range, pieces);
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
    fn pieces_cover_the_outputs() {
        for len in [0, 1, 10, 25] {
            let (mut a, mut b) = (vec![0.0; len], vec![0.0; len]);
            for_each_piece([&mut a, &mut b], 10, Spread::Threads, |range, [a, b]| {
                assert_eq!((a.len(), b.len()), (range.len(), range.len()));
                for (i, (a, b)) in range.zip(a.iter_mut().zip(b)) {
                    (*a, *b) = (*a + i as f32 + 1.0, *b - i as f32 - 1.0);
                }
            });
            assert!(
                a.iter().zip(&b).enumerate().all(|(i, (a, b))| *a == i as f32 + 1.0 && *b == -a)
            );
        }
    }

    #[test]
    fn every_item_runs_once() {
        for spread in [Spread::Serial, Spread::Threads] {
            for items in [0, 1, 2, 1000] {
                let seen: Vec<_> = (0..items).map(|_| AtomicUsize::new(0)).collect();
                for_each(items, spread, |i| {
                    seen[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 1));
            }
        }
    }
}
