//! Bits of codes gathered into bytes: of eight values that follow one another, or of the runs of
//! 32 in a super-block.

use super::tile::TILE;

/// Values of a super-block.
pub(super) const SUPER: usize = 256;

/// Two bits of each code, from bit `shift` up: byte `32 * h + l` holds those of values
/// `128 * h + l`, `+ 32`, `+ 64` and `+ 96`, lowest first.
#[inline(always)]
pub(super) fn pack_pairs(codes: &[u8; TILE], shift: u32, out: &mut [u8]) {
    for (half, out) in out.chunks_exact_mut(32).enumerate().take(2) {
        let codes = &codes[128 * half..][..128];
        for l in 0..32 {
            out[l] = ((codes[l] >> shift) & 3)
                | (((codes[l + 32] >> shift) & 3) << 2)
                | (((codes[l + 64] >> shift) & 3) << 4)
                | (((codes[l + 96] >> shift) & 3) << 6);
        }
    }
}

/// The two bits of each code that [`pack_pairs`] wrote.
#[inline(always)]
pub(super) fn unpack_pairs(bytes: &[u8]) -> [u8; SUPER] {
    let mut codes = [0; SUPER];
    for (half, bytes) in bytes.chunks_exact(32).enumerate().take(2) {
        for run in 0..4 {
            let codes = &mut codes[128 * half + 32 * run..][..32];
            for l in 0..32 {
                codes[l] = (bytes[l] >> (2 * run)) & 3;
            }
        }
    }
    codes
}

/// Bit `shift` of each of eight codes, the first lowest.
#[inline(always)]
pub(super) fn gather_bit(codes: &[u8], shift: u32) -> u8 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&codes[..8]);
    let bits = (u64::from_le_bytes(bytes) >> shift) & 0x0101_0101_0101_0101;
    // Multiplication moves the bit of byte `i` to bit `56 + i`; no two meet, so nothing carries.
    (bits.wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

/// Sets bit `shift` of each of eight codes that [`gather_bit`] gathered.
#[inline(always)]
pub(super) fn scatter_bit(bits: u8, shift: u32, codes: &mut [u8]) {
    let each = u64::from(bits).wrapping_mul(0x0101_0101_0101_0101) & 0x8040_2010_0804_0201;
    // A byte that holds its bit reaches 128 when 127 is added.
    let ones = ((each + 0x7f7f_7f7f_7f7f_7f7f) >> 7) & 0x0101_0101_0101_0101;
    for (code, one) in codes.iter_mut().zip((ones << shift).to_le_bytes()) {
        *code |= one;
    }
}

/// Bit `shift` of each code of a super-block: bit `r` of byte `l` is that of value `32 * r + l`.
#[inline(always)]
pub(super) fn pack_plane(codes: &[u8], shift: u32, out: &mut [u8]) {
    let (codes, out) = (&codes[..SUPER], &mut out[..32]);
    out.fill(0);
    for run in 0..8 {
        for l in 0..32 {
            out[l] |= ((codes[32 * run + l] >> shift) & 1) << run;
        }
    }
}

/// Sets bit `shift` of each code that [`pack_plane`] gathered.
#[inline(always)]
pub(super) fn unpack_plane(bytes: &[u8], shift: u32, codes: &mut [u8; SUPER]) {
    let bytes = &bytes[..32];
    for run in 0..8 {
        for l in 0..32 {
            codes[32 * run + l] |= ((bytes[l] >> run) & 1) << shift;
        }
    }
}

/// Four bits of each code of `2 * half` values: byte `l` holds those of `l` and, above, `half + l`.
#[inline(always)]
pub(super) fn pack_halves(codes: &[u8], half: usize, out: &mut [u8]) {
    for (codes, out) in codes.chunks_exact(2 * half).zip(out.chunks_exact_mut(half)) {
        let (low, high) = codes.split_at(half);
        for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
            *out = (low & 15) | (high << 4);
        }
    }
}

/// The four bits of each code that [`pack_halves`] wrote.
#[inline(always)]
pub(super) fn unpack_halves(bytes: &[u8], half: usize, codes: &mut [u8]) {
    for (codes, bytes) in codes.chunks_exact_mut(2 * half).zip(bytes.chunks_exact(half)) {
        let (low, high) = codes.split_at_mut(half);
        for ((&byte, low), high) in bytes.iter().zip(low).zip(high) {
            (*low, *high) = (byte & 15, byte >> 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathered_bits_are_scattered_back() {
        for bits in 0..=255 {
            let mut codes = [3; 8];
            scatter_bit(bits, 4, &mut codes);
            assert!((0..8).all(|i| codes[i] == 3 | (((bits >> i) & 1) << 4)));
            assert_eq!(gather_bit(&codes, 4), bits);
        }
    }
}
