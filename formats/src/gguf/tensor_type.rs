//! ggml's tensor types by id: name, values a block and bytes a block. The codecs live elsewhere.

use std::fmt;

/// A tensor type of ggml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// The number in the file.
    pub id: u32,
    /// ggml's name, e.g. `Q4_K`.
    pub name: &'static str,
    /// Values in a block; a row is a whole number of blocks.
    pub block_len: usize,
    /// Bytes of a block.
    pub block_bytes: usize,
}

const fn t(id: u32, name: &'static str, block_len: usize, block_bytes: usize) -> TensorType {
    TensorType { id, name, block_len, block_bytes }
}

/// Every type that files may hold, by rising id (`GGML_QUANT_SIZES` of gguf-py).
static TYPES: [TensorType; 35] = [
    TensorType::F32,
    TensorType::F16,
    t(2, "Q4_0", 32, 18),
    t(3, "Q4_1", 32, 20),
    t(6, "Q5_0", 32, 22),
    t(7, "Q5_1", 32, 24),
    t(8, "Q8_0", 32, 34),
    t(9, "Q8_1", 32, 36),
    t(10, "Q2_K", 256, 84),
    t(11, "Q3_K", 256, 110),
    t(12, "Q4_K", 256, 144),
    t(13, "Q5_K", 256, 176),
    t(14, "Q6_K", 256, 210),
    t(15, "Q8_K", 256, 292),
    t(16, "IQ2_XXS", 256, 66),
    t(17, "IQ2_XS", 256, 74),
    t(18, "IQ3_XXS", 256, 98),
    t(19, "IQ1_S", 256, 50),
    t(20, "IQ4_NL", 32, 18),
    t(21, "IQ3_S", 256, 110),
    t(22, "IQ2_S", 256, 82),
    t(23, "IQ4_XS", 256, 136),
    t(24, "I8", 1, 1),
    t(25, "I16", 1, 2),
    t(26, "I32", 1, 4),
    t(27, "I64", 1, 8),
    t(28, "F64", 1, 8),
    t(29, "IQ1_M", 256, 56),
    TensorType::BF16,
    t(34, "TQ1_0", 256, 54),
    t(35, "TQ2_0", 256, 66),
    t(39, "MXFP4", 32, 17),
    t(40, "NVFP4", 64, 36),
    t(41, "Q1_0", 128, 18),
    t(42, "Q2_0", 64, 18),
];

impl TensorType {
    /// IEEE single precision.
    pub const F32: Self = t(0, "F32", 1, 4);
    /// IEEE half precision.
    pub const F16: Self = t(1, "F16", 1, 2);
    /// The upper half of single precision.
    pub const BF16: Self = t(30, "BF16", 1, 2);

    /// The type with this number in a file.
    pub fn from_id(id: u32) -> Option<Self> {
        TYPES.iter().find(|known| known.id == id).copied()
    }

    /// The type with ggml's name, e.g. `Q4_K`.
    pub fn from_name(name: &str) -> Option<Self> {
        TYPES.iter().find(|known| known.name == name).copied()
    }

    /// Bytes of a tensor whose extents are `shape`, outermost first; `None` if a row is no whole number
    /// of blocks or the number overflows.
    pub fn bytes_for(self, shape: &[usize]) -> Option<usize> {
        let columns = shape.last().copied().unwrap_or(1);
        if !columns.is_multiple_of(self.block_len) {
            return None;
        }
        let values = shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim))?;
        (values / self.block_len).checked_mul(self.block_bytes)
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_unique_and_found_again() {
        for (at, kind) in TYPES.iter().enumerate() {
            assert_eq!(TensorType::from_id(kind.id), Some(*kind));
            assert_eq!(TensorType::from_name(kind.name), Some(*kind));
            assert!(TYPES[at + 1..].iter().all(|other| other.id > kind.id));
        }
        assert_eq!(TensorType::from_id(4), None);
    }

    #[test]
    fn sizes_are_whole_blocks_or_none() {
        let q4_k = TensorType::from_name("Q4_K").unwrap();
        assert_eq!(q4_k.bytes_for(&[3, 512]), Some(3 * 2 * 144));
        assert_eq!(q4_k.bytes_for(&[3, 500]), None);
        assert_eq!(TensorType::F32.bytes_for(&[]), Some(4));
        assert_eq!(TensorType::F32.bytes_for(&[usize::MAX, 2]), None);
    }
}
