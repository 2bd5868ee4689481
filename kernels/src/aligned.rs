//! A fixed-size, zeroed buffer whose first element lies on a cache line. Zero pages are committed
//! only when written, so a large buffer costs nothing until it is used.

const LINE: usize = 64;

/// `len` elements, zeroed, 64-byte aligned. `T` is a plain number (`f32`, `u16`).
#[derive(Clone, Debug)]
pub(crate) struct Aligned<T> {
    buffer: Vec<T>,
    start: usize,
    len: usize,
}

impl Aligned<f32> {
    pub(crate) fn zeroed(len: usize) -> Self {
        // `vec![0; n]` of a primitive asks the allocator for zeroed memory: nothing is touched.
        Self::place(vec![0.0; len + LINE / size_of::<f32>()], len)
    }
}

impl Aligned<u16> {
    pub(crate) fn zeroed(len: usize) -> Self {
        Self::place(vec![0; len + LINE / size_of::<u16>()], len)
    }
}

impl<T> Aligned<T> {
    fn place(buffer: Vec<T>, len: usize) -> Self {
        let start = buffer.as_ptr().align_offset(LINE).min(buffer.len() - len);
        Self { buffer, start, len }
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        &self.buffer[self.start..self.start + self.len]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_on_a_cache_line_and_holds_zeros() {
        for len in [0, 1, 31, 4096] {
            let mut buffer = Aligned::<f32>::zeroed(len);
            assert_eq!(buffer.as_slice().len(), len);
            assert!(len == 0 || (buffer.as_slice().as_ptr() as usize).is_multiple_of(LINE));
            assert!(buffer.as_mut_slice().iter().all(|&x| x == 0.0));
        }
        assert!((Aligned::<u16>::zeroed(5).as_slice().as_ptr() as usize).is_multiple_of(LINE));
    }
}
