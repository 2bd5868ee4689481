//! What the super-blocks of 256 values share: bits of four 32-value runs in one byte.

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
