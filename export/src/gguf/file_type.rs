//! What a whole file is quantized to, by llama-quantize's names. Which type each tensor then gets is
//! [`super::choice`]'s.

use std::fmt;

use kernels::blocks::BlockType;

/// llama.cpp's file types that can be written here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each variant is llama.cpp's own name")]
#[expect(non_camel_case_types, reason = "llama.cpp's own names")]
pub enum FileType {
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q2_K,
    Q3_K_S,
    Q3_K_M,
    Q3_K_L,
    Q4_K_S,
    Q4_K_M,
    Q5_K_S,
    Q5_K_M,
    Q6_K,
}

impl FileType {
    /// Every type.
    pub const ALL: [Self; 17] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q2_K,
        Self::Q3_K_S,
        Self::Q3_K_M,
        Self::Q3_K_L,
        Self::Q4_K_S,
        Self::Q4_K_M,
        Self::Q5_K_S,
        Self::Q5_K_M,
        Self::Q6_K,
    ];

    /// llama-quantize's name, e.g. `Q4_K_M`.
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// The number in `general.file_type`.
    pub fn id(self) -> u32 {
        self.facts().1
    }

    /// What a tensor gets that no rule says otherwise for.
    pub fn default_block(self) -> BlockType {
        self.facts().2
    }

    /// The type of that name, in any case; `q3_k`, `q4_k` and `q5_k` are the medium mixtures.
    pub fn from_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        let name = match name.as_str() {
            "Q3_K" | "Q4_K" | "Q5_K" => format!("{name}_M"),
            _ => name,
        };
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether the default is one of ggml's quantized types.
    pub fn is_quantized(self) -> bool {
        !matches!(self, Self::F32 | Self::F16 | Self::BF16)
    }

    fn facts(self) -> (&'static str, u32, BlockType) {
        match self {
            Self::F32 => ("F32", 0, BlockType::F32),
            Self::F16 => ("F16", 1, BlockType::F16),
            Self::BF16 => ("BF16", 32, BlockType::BF16),
            Self::Q8_0 => ("Q8_0", 7, BlockType::Q8_0),
            Self::Q4_0 => ("Q4_0", 2, BlockType::Q4_0),
            Self::Q4_1 => ("Q4_1", 3, BlockType::Q4_1),
            Self::Q5_0 => ("Q5_0", 8, BlockType::Q5_0),
            Self::Q5_1 => ("Q5_1", 9, BlockType::Q5_1),
            Self::Q2_K => ("Q2_K", 10, BlockType::Q2K),
            Self::Q3_K_S => ("Q3_K_S", 11, BlockType::Q3K),
            Self::Q3_K_M => ("Q3_K_M", 12, BlockType::Q3K),
            Self::Q3_K_L => ("Q3_K_L", 13, BlockType::Q3K),
            Self::Q4_K_S => ("Q4_K_S", 14, BlockType::Q4K),
            Self::Q4_K_M => ("Q4_K_M", 15, BlockType::Q4K),
            Self::Q5_K_S => ("Q5_K_S", 16, BlockType::Q5K),
            Self::Q5_K_M => ("Q5_K_M", 17, BlockType::Q5K),
            Self::Q6_K => ("Q6_K", 18, BlockType::Q6K),
        }
    }
}

impl fmt::Display for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
