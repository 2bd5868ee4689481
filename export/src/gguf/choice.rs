//! Which block type each tensor gets: llama-quantize's mixtures and fallbacks
//! (`llama_tensor_get_type` and `tensor_type_fallback` of llama.cpp's `llama-quant.cpp`).

use formats::Architecture;
use kernels::blocks::BlockType;

use super::file_type::FileType;

/// What the choice depends on besides a tensor's own name and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The family.
    pub architecture: Architecture,
    /// Decoder layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Whether there is no `output.weight`, so that the embedding is the head.
    pub tied: bool,
    /// Whether an importance matrix is used.
    pub importance: bool,
}

impl Sizes {
    fn gqa(&self) -> usize {
        self.heads / self.kv_heads.max(1)
    }

    /// What llama.cpp takes for a 70B model: eight heads share each `attn_v`.
    fn is_70b(&self) -> bool {
        let shared = match self.architecture {
            Architecture::Qwen2 => true,
            Architecture::Llama => self.heads != self.kv_heads,
            Architecture::Qwen3 => false,
        };
        self.layers == 80 && shared
    }
}

/// The type for the tensor `name` (llama.cpp's name), whose rows hold `columns` values, `dimensions`
/// extents in all.
pub fn choose(
    file: FileType,
    sizes: &Sizes,
    name: &str,
    dimensions: usize,
    columns: usize,
) -> BlockType {
    if dimensions < 2 || !name.ends_with("weight") || name.ends_with("_norm.weight") {
        return BlockType::F32;
    }
    if !file.is_quantized() {
        return file.default_block();
    }
    fit(mixed(file, sizes, name, columns), columns)
}

/// The mixture's type, before the width is looked at.
fn mixed(file: FileType, sizes: &Sizes, name: &str, columns: usize) -> BlockType {
    let default = file.default_block();
    if name == "output.weight" || (sizes.tied && name == "token_embd.weight") {
        let fits = columns.is_multiple_of(default.block_len());
        return if fits && default != BlockType::Q8_0 { BlockType::Q6K } else { BlockType::Q8_0 };
    }
    let layer = layer(name);
    if name.ends_with(".attn_v.weight") {
        return attention_v(file, sizes, layer);
    }
    if name.ends_with(".ffn_down.weight") {
        return ffn_down(file, sizes, layer);
    }
    if name.ends_with(".attn_output.weight") {
        return match file {
            FileType::Q2_K => BlockType::Q3K,
            FileType::Q3_K_M => BlockType::Q4K,
            FileType::Q3_K_L => BlockType::Q5K,
            _ => default,
        };
    }
    default
}

fn attention_v(file: FileType, sizes: &Sizes, layer: usize) -> BlockType {
    let chosen = match file {
        FileType::Q2_K if sizes.gqa() >= 4 => BlockType::Q4K,
        FileType::Q2_K => BlockType::Q3K,
        FileType::Q3_K_M if layer < 2 => BlockType::Q5K,
        FileType::Q3_K_M => BlockType::Q4K,
        FileType::Q3_K_L => BlockType::Q5K,
        FileType::Q4_K_M | FileType::Q5_K_M if more_bits(layer, sizes.layers) => BlockType::Q6K,
        FileType::Q4_K_S if layer < 4 => BlockType::Q5K,
        _ => file.default_block(),
    };
    match chosen {
        BlockType::Q3K | BlockType::Q4K if sizes.is_70b() => BlockType::Q5K,
        chosen => chosen,
    }
}

fn ffn_down(file: FileType, sizes: &Sizes, layer: usize) -> BlockType {
    let (first_eighth, first_sixteenth) = (layer < sizes.layers / 8, layer < sizes.layers / 16);
    match file {
        FileType::Q2_K => BlockType::Q3K,
        FileType::Q3_K_M if first_sixteenth => BlockType::Q5K,
        FileType::Q3_K_M => BlockType::Q4K,
        FileType::Q3_K_L => BlockType::Q5K,
        FileType::Q4_K_M | FileType::Q5_K_M if more_bits(layer, sizes.layers) => BlockType::Q6K,
        FileType::Q4_K_S if first_eighth => BlockType::Q5K,
        FileType::Q4_0 if sizes.importance && first_eighth => BlockType::Q4_1,
        FileType::Q5_0 if sizes.importance && first_eighth => BlockType::Q5_1,
        _ => file.default_block(),
    }
}

/// The first and the last eighth of the layers, and every third between.
fn more_bits(layer: usize, layers: usize) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}

/// A type whose blocks fill rows of `columns` values.
fn fit(wanted: BlockType, columns: usize) -> BlockType {
    if columns.is_multiple_of(wanted.block_len()) {
        return wanted;
    }
    let smaller = match wanted {
        BlockType::Q2K | BlockType::Q3K => BlockType::Q4_0,
        BlockType::Q4K => BlockType::Q5_0,
        BlockType::Q5K => BlockType::Q5_1,
        BlockType::Q6K => BlockType::Q8_0,
        other => other,
    };
    if columns.is_multiple_of(smaller.block_len()) { smaller } else { BlockType::F16 }
}

/// The number in `blk.N.`; 0 for tensors of no layer, which no rule asks.
fn layer(name: &str) -> usize {
    let number = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
