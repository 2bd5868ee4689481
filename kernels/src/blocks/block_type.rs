//! The element types of GGUF tensors that this crate reads and writes: numbers and sizes only.

use std::fmt;

/// How the values of a tensor's rows are stored, by ggml's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an `f32`.
    BF16,
    /// 32 values of 4 bits around zero, one scale.
    Q4_0,
    /// 32 values of 4 bits above a minimum, one scale.
    Q4_1,
    /// 32 values of 5 bits around zero, one scale.
    Q5_0,
    /// 32 values of 5 bits above a minimum, one scale.
    Q5_1,
    /// 32 values of 8 bits around zero, one scale.
    Q8_0,
    /// 256 values of 2 bits above a minimum; scale and minimum of 4 bits for every 16.
    Q2K,
    /// 256 values of 3 bits around zero; a scale of 6 bits for every 16.
    Q3K,
    /// 256 values of 4 bits above a minimum; scale and minimum of 6 bits for every 32.
    Q4K,
    /// 256 values of 5 bits above a minimum; scale and minimum of 6 bits for every 32.
    Q5K,
    /// 256 values of 6 bits around zero; a scale of 8 bits for every 16.
    Q6K,
}

impl BlockType {
    /// Every type, in the order of ggml's numbers but for BF16.
    pub const ALL: [BlockType; 13] = [
        BlockType::F32,
        BlockType::F16,
        BlockType::BF16,
        BlockType::Q4_0,
        BlockType::Q4_1,
        BlockType::Q5_0,
        BlockType::Q5_1,
        BlockType::Q8_0,
        BlockType::Q2K,
        BlockType::Q3K,
        BlockType::Q4K,
        BlockType::Q5K,
        BlockType::Q6K,
    ];

    /// ggml's number of the type, as GGUF stores it.
    pub fn id(self) -> u32 {
        match self {
            BlockType::F32 => 0,
            BlockType::F16 => 1,
            BlockType::Q4_0 => 2,
            BlockType::Q4_1 => 3,
            BlockType::Q5_0 => 6,
            BlockType::Q5_1 => 7,
            BlockType::Q8_0 => 8,
            BlockType::Q2K => 10,
            BlockType::Q3K => 11,
            BlockType::Q4K => 12,
            BlockType::Q5K => 13,
            BlockType::Q6K => 14,
            BlockType::BF16 => 30,
        }
    }

    /// The type that ggml gives the number `id`; none for types this crate does not know.
    pub fn from_id(id: u32) -> Option<BlockType> {
        BlockType::ALL.into_iter().find(|kind| kind.id() == id)
    }

    /// The type's name as llama.cpp's tools print it: `F16`, `Q5_0`, `Q4_K`.
    pub fn name(self) -> &'static str {
        match self {
            BlockType::F32 => "F32",
            BlockType::F16 => "F16",
            BlockType::BF16 => "BF16",
            BlockType::Q4_0 => "Q4_0",
            BlockType::Q4_1 => "Q4_1",
            BlockType::Q5_0 => "Q5_0",
            BlockType::Q5_1 => "Q5_1",
            BlockType::Q8_0 => "Q8_0",
            BlockType::Q2K => "Q2_K",
            BlockType::Q3K => "Q3_K",
            BlockType::Q4K => "Q4_K",
            BlockType::Q5K => "Q5_K",
            BlockType::Q6K => "Q6_K",
        }
    }

    /// The type of that name, in any case.
    pub fn from_name(name: &str) -> Option<BlockType> {
        BlockType::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// Values of a block; a row is whole blocks.
    pub fn block_len(self) -> usize {
        match self {
            BlockType::F32 | BlockType::F16 | BlockType::BF16 => 1,
            BlockType::Q4_0
            | BlockType::Q4_1
            | BlockType::Q5_0
            | BlockType::Q5_1
            | BlockType::Q8_0 => 32,
            BlockType::Q2K | BlockType::Q3K | BlockType::Q4K | BlockType::Q5K | BlockType::Q6K => {
                256
            }
        }
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        match self {
            BlockType::F32 => 4,
            BlockType::F16 | BlockType::BF16 => 2,
            BlockType::Q4_0 => 18,
            BlockType::Q4_1 => 20,
            BlockType::Q5_0 => 22,
            BlockType::Q5_1 => 24,
            BlockType::Q8_0 => 34,
            BlockType::Q2K => 84,
            BlockType::Q3K => 110,
            BlockType::Q4K => 144,
            BlockType::Q5K => 176,
            BlockType::Q6K => 210,
        }
    }

    /// Bytes of a row of `columns` values.
    ///
    /// # Panics
    /// When `columns` is no multiple of [`BlockType::block_len`].
    pub fn row_bytes(self, columns: usize) -> usize {
        let block = self.block_len();
        assert!(
            columns.is_multiple_of(block),
            "{self}: {columns} columns are not blocks of {block}"
        );
        columns / block * self.block_bytes()
    }
}

impl fmt::Display for BlockType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_read_back() {
        for kind in BlockType::ALL {
            assert_eq!(BlockType::from_id(kind.id()), Some(kind));
            assert_eq!(BlockType::from_name(&kind.name().to_lowercase()), Some(kind));
        }
        assert_eq!(BlockType::from_id(4), None, "a type that ggml removed");
        assert_eq!(BlockType::from_name("Q9_K"), None);
    }

    #[test]
    fn rows_are_whole_blocks() {
        assert_eq!(BlockType::Q4K.row_bytes(512), 288);
        assert_eq!(BlockType::BF16.row_bytes(3), 6);
    }

    #[test]
    #[should_panic(expected = "Q6_K: 300 columns are not blocks of 256")]
    fn a_row_of_part_of_a_block_is_refused() {
        BlockType::Q6K.row_bytes(300);
    }
}
