//! Weights packed once for the micro-kernels: tiles of sixteen outputs, inputs running within a tile.

use half::bf16;

use crate::aligned::Aligned;
use crate::parallel::Spread;
use crate::simd::LANES;

/// How the elements of a [`PackedMatrix`] are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightKind {
    /// `[n / 16][k / 2][16][2]`: two neighbouring inputs of an output share 32 bits.
    Bf16,
    /// `[n / 16][k][16]`.
    F32,
}

#[derive(Clone, Debug)]
pub(crate) enum Tiles {
    Bf16(Aligned<u16>),
    F32(Aligned<f32>),
}

/// A weight `W [n, k]` (outputs by inputs) in tiles of 16 outputs, padded with zeros: bf16 as
/// `[n / 16][ceil(k / 2)][16][2]`, f32 as `[n / 16][k][16]`. Values are kept exactly.
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    n: usize,
    k: usize,
    tiles: Tiles,
}

impl PackedMatrix {
    /// Packs a row-major `w [n, k]`, kept as f32.
    ///
    /// # Panics
    /// When `w` does not hold `n * k` elements.
    pub fn pack_f32(w: &[f32], n: usize, k: usize) -> Self {
        assert_eq!(w.len(), n * k, "a weight of {n} x {k} needs {} elements", n * k);
        let mut tiles = Aligned::<f32>::zeroed_huge(n.div_ceil(LANES) * k * LANES);
        fill(tiles.as_mut_slice(), k * LANES, |tile, out| {
            for (lane, row) in rows_of(w, n, k, tile) {
                for (i, &x) in row.iter().enumerate() {
                    out[i * LANES + lane] = x;
                }
            }
        });
        Self { n, k, tiles: Tiles::F32(tiles) }
    }

    /// Packs a row-major `w [n, k]`, kept as bf16.
    ///
    /// # Panics
    /// When `w` does not hold `n * k` elements.
    pub fn pack_bf16(w: &[bf16], n: usize, k: usize) -> Self {
        assert_eq!(w.len(), n * k, "a weight of {n} x {k} needs {} elements", n * k);
        let tile_len = k.div_ceil(2) * 2 * LANES;
        let mut tiles = Aligned::<u16>::zeroed_huge(n.div_ceil(LANES) * tile_len);
        fill(tiles.as_mut_slice(), tile_len, |tile, out| {
            for (lane, row) in rows_of(w, n, k, tile) {
                for (i, x) in row.iter().enumerate() {
                    out[(i / 2) * 2 * LANES + 2 * lane + i % 2] = x.to_bits();
                }
            }
        });
        Self { n, k, tiles: Tiles::Bf16(tiles) }
    }

    /// Outputs, `n`.
    pub fn rows(&self) -> usize {
        self.n
    }

    /// Inputs, `k`.
    pub fn cols(&self) -> usize {
        self.k
    }

    /// How the elements are stored.
    pub fn kind(&self) -> WeightKind {
        match self.tiles {
            Tiles::Bf16(_) => WeightKind::Bf16,
            Tiles::F32(_) => WeightKind::F32,
        }
    }

    /// Bytes of memory that the elements take, padding included.
    pub fn bytes(&self) -> usize {
        match &self.tiles {
            Tiles::Bf16(tiles) => size_of_val(tiles.as_slice()),
            Tiles::F32(tiles) => size_of_val(tiles.as_slice()),
        }
    }

    /// Copies row `i` (the weights of output `i`, such as a token's embedding) to `out [k]`.
    ///
    /// # Panics
    /// When `i` is not below `n` or `out` does not hold `k` elements.
    pub fn read_row(&self, i: usize, out: &mut [f32]) {
        assert!(i < self.n, "row {i} of a weight with {} rows", self.n);
        assert_eq!(out.len(), self.k, "a row of this weight has {} elements", self.k);
        let (tile, lane) = (i / LANES, i % LANES);
        match &self.tiles {
            Tiles::F32(tiles) => {
                let tile = &tiles.as_slice()[tile * self.tile_len()..][..self.tile_len()];
                for (x, column) in out.iter_mut().zip(tile.chunks_exact(LANES)) {
                    *x = column[lane];
                }
            }
            Tiles::Bf16(tiles) => {
                let tile = &tiles.as_slice()[tile * self.tile_len()..][..self.tile_len()];
                for (pair, columns) in out.chunks_mut(2).zip(tile.chunks_exact(2 * LANES)) {
                    for (x, &bits) in pair.iter_mut().zip(&columns[2 * lane..]) {
                        *x = f32::from_bits(u32::from(bits) << 16);
                    }
                }
            }
        }
    }

    pub(crate) fn tiles(&self) -> &Tiles {
        &self.tiles
    }

    /// Tiles of 16 outputs.
    pub(crate) fn tile_count(&self) -> usize {
        self.n.div_ceil(LANES)
    }

    /// Elements of one tile.
    pub(crate) fn tile_len(&self) -> usize {
        match self.tiles {
            Tiles::Bf16(_) => self.k.div_ceil(2) * 2 * LANES,
            Tiles::F32(_) => self.k * LANES,
        }
    }
}

/// The rows of `w` that lie in `tile`, with their lanes.
fn rows_of<T>(w: &[T], n: usize, k: usize, tile: usize) -> impl Iterator<Item = (usize, &[T])> {
    let first = tile * LANES;
    (first..n.min(first + LANES)).map(move |row| (row - first, &w[row * k..(row + 1) * k]))
}

/// Fills the tiles of `out` in parallel.
fn fill<T: Send>(out: &mut [T], tile_len: usize, pack: impl Fn(usize, &mut [T]) + Sync) {
    use rayon::prelude::*;
    if tile_len == 0 {
        return;
    }
    match Spread::for_work(out.len()) {
        Spread::Serial => out.chunks_mut(tile_len).enumerate().for_each(|(i, tile)| pack(i, tile)),
        Spread::Threads => {
            out.par_chunks_mut(tile_len).enumerate().for_each(|(i, tile)| pack(i, tile));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn rows_come_back_exactly_and_sizes_count_the_padding() {
        for (n, k) in [(1, 1), (16, 2), (17, 7), (48, 96), (5, 33)] {
            let w = Random::new(n as u64).bf16s(n * k);
            let wide: Vec<f32> = w.iter().map(|x| x.to_f32()).collect();
            let packed = [PackedMatrix::pack_bf16(&w, n, k), PackedMatrix::pack_f32(&wide, n, k)];
            for matrix in &packed {
                assert_eq!((matrix.rows(), matrix.cols()), (n, k));
                let mut row = vec![f32::NAN; k];
                for i in 0..n {
                    matrix.read_row(i, &mut row);
                    assert_eq!(row, wide[i * k..(i + 1) * k]);
                }
            }
            assert_eq!(packed[0].bytes(), n.next_multiple_of(16) * k.next_multiple_of(2) * 2);
            assert_eq!(packed[1].bytes(), n.next_multiple_of(16) * k * 4);
        }
    }
}
