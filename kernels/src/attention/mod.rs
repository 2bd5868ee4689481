//! Causal attention with grouped query heads: forward over paged keys and values, and backward
//! over packed sequences.

mod backward;
mod forward;
mod gradient;
#[cfg(test)]
mod tests;

pub use backward::attention_backward;
pub use forward::{SeqRows, attention, attention_packed};

/// Heads and their size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    /// Query heads, a multiple of `kv_heads`.
    pub heads: usize,
    /// Key/value heads; query head `h` reads key/value head `h / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Elements of a head.
    pub head_dim: usize,
    /// Multiplies the scores, usually `1 / sqrt(head_dim)`.
    pub scale: f32,
}
