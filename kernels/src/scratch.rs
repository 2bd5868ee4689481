//! Working memory that a thread keeps between calls, so that kernels do not fault in fresh pages
//! every time. A buffer is taken out while it is in use: nested and re-entrant use is safe.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use crate::aligned::Aligned;

/// Buffers larger than this are given back to the allocator instead of being kept.
const KEEP: usize = 16 << 20;

thread_local! {
    static FREE: RefCell<Vec<Aligned<f32>>> = const { RefCell::new(Vec::new()) };
}

/// `len` floats of unspecified content, 64-byte aligned; returned to the thread on drop.
pub(crate) struct Scratch {
    buffer: Aligned<f32>,
    len: usize,
}

impl Scratch {
    pub(crate) fn take(len: usize) -> Self {
        let kept = FREE.with_borrow_mut(|free| {
            let fits = free.iter().position(|buffer| buffer.as_slice().len() >= len);
            fits.map(|i| free.swap_remove(i))
        });
        let buffer = kept.unwrap_or_else(|| Aligned::<f32>::zeroed(len.next_multiple_of(4096)));
        Self { buffer, len }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.buffer.as_slice().len() > KEEP / size_of::<f32>() {
            return;
        }
        let buffer = std::mem::replace(&mut self.buffer, Aligned::<f32>::zeroed(0));
        // The list may be gone when a thread is being torn down; then the buffer is just freed.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < 8 {
                free.push(buffer);
            }
        });
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer.as_slice()[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer.as_mut_slice()[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_reused_and_two_at_once_are_distinct() {
        let first = Scratch::take(100).as_ptr();
        let mut a = Scratch::take(50);
        let mut b = Scratch::take(100);
        assert_eq!(a.as_ptr(), first);
        a.fill(1.0);
        b.fill(2.0);
        assert!(a.iter().all(|&x| x == 1.0) && a.len() == 50);
    }
}
