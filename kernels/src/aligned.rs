//! A fixed-size, zeroed buffer whose first element lies on a cache line. Large buffers are mapped
//! pages of their own: the system commits them only when they are written, nothing is rounded up to
//! an allocator's sizes, and they are given back whole when dropped.

use std::marker::PhantomData;

use memmap2::{Advice, MmapMut};

const LINE: usize = 64;
/// Buffers of at least this many bytes are mapped.
const MAPPED: usize = 1 << 20;

/// A plain number: any bits are a value, and all bits zero are zero.
pub(crate) trait Number: Copy {
    const ZERO: Self;
}

impl Number for f32 {
    const ZERO: Self = 0.0;
}

impl Number for u16 {
    const ZERO: Self = 0;
}

/// `len` elements, zeroed, 64-byte aligned.
#[derive(Debug)]
pub(crate) struct Aligned<T> {
    memory: Memory<T>,
    len: usize,
}

#[derive(Debug)]
enum Memory<T> {
    /// From element `start` on.
    Allocated {
        buffer: Vec<T>,
        start: usize,
    },
    Mapped(MmapMut, PhantomData<T>),
}

impl<T: Number> Aligned<T> {
    /// For content that is written bit by bit: only pages that are touched take memory.
    pub(crate) fn zeroed(len: usize) -> Self {
        Self::of(len, map(len * size_of::<T>()))
    }

    /// For content that is written whole: in huge pages where the system has them, so that reading
    /// it through does not wait for address translation.
    pub(crate) fn zeroed_huge(len: usize) -> Self {
        let pages = map(len * size_of::<T>());
        if let Some(pages) = &pages {
            // Advice that is not taken changes nothing but the speed.
            let _ = pages.advise(Advice::HugePage);
        }
        Self::of(len, pages)
    }

    fn of(len: usize, pages: Option<MmapMut>) -> Self {
        let memory = match pages {
            Some(pages) => Memory::Mapped(pages, PhantomData),
            None => allocated(len),
        };
        Self { memory, len }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        match &self.memory {
            Memory::Allocated { buffer, start } => &buffer[*start..*start + self.len],
            // SAFETY: the mapping holds `len` elements, begins on a page, and any bits are a `T`.
            Memory::Mapped(pages, _) => unsafe {
                std::slice::from_raw_parts(pages.as_ptr().cast(), self.len)
            },
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        match &mut self.memory {
            Memory::Allocated { buffer, start } => &mut buffer[*start..*start + self.len],
            // SAFETY: as above, and the mapping is borrowed mutably.
            Memory::Mapped(pages, _) => unsafe {
                std::slice::from_raw_parts_mut(pages.as_mut_ptr().cast(), self.len)
            },
        }
    }
}

impl<T: Number> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeroed_huge(self.len);
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }
}

/// Pages for a large buffer; none for a small one, or where the system maps no more: the allocator
/// then says so.
fn map(bytes: usize) -> Option<MmapMut> {
    if bytes < MAPPED { None } else { MmapMut::map_anon(bytes).ok() }
}

fn allocated<T: Number>(len: usize) -> Memory<T> {
    let buffer = vec![T::ZERO; len + LINE / size_of::<T>()];
    let start = buffer.as_ptr().align_offset(LINE).min(buffer.len() - len);
    Memory::Allocated { buffer, start }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Number + PartialEq>(mut buffer: Aligned<T>, len: usize, one: T) {
        assert_eq!(buffer.as_slice().len(), len);
        assert!(len == 0 || (buffer.as_slice().as_ptr() as usize).is_multiple_of(LINE));
        assert!(buffer.as_slice().iter().all(|x| *x == T::ZERO));
        buffer.as_mut_slice().fill(one);
        assert!(buffer.clone().as_slice().iter().all(|x| *x == one));
    }

    #[test]
    fn starts_on_a_cache_line_and_holds_zeros() {
        for len in [0, 1, 5, 31, 4096, MAPPED - 1, MAPPED, MAPPED + 3] {
            check(Aligned::<f32>::zeroed(len), len, 1.0);
            check(Aligned::<u16>::zeroed_huge(len), len, 1);
        }
    }
}
