//! Packed weights and SIMD kernels: slices in, slices out. No candle, no files, no configuration.
//!
//! Every kernel of the forward pass sums each output element in one fixed order that depends on
//! that element's row alone: results are equal to the bit whatever else shares the call, however
//! rows are chunked and however many threads run. AVX-512 and AVX2 give identical bits; the
//! portable level rounds every product (it has no fused multiply-add) and differs in the last places.
//! Large calls spread over as many threads as rayon's pool has; calls may come from any thread.
//! Slices of the wrong length are a programming error and panic with the sizes expected and found.

mod activation;
mod aligned;
mod attention;
pub mod blocks;
mod exp;
mod gemm;
mod kv;
pub mod level;
mod lora;
mod matmul;
mod norm;
mod pack;
mod parallel;
mod pool;
mod rope;
mod scratch;
mod simd;
mod softmax;
pub mod startup;
#[cfg(test)]
mod testing;
mod transpose;

pub use activation::{swiglu, swiglu_backward};
pub use attention::{AttentionShape, SeqRows, attention, attention_backward, attention_packed};
pub use gemm::{GemmShape, Write, gemm_nn, gemm_nt, gemm_tn};
pub use kv::{BLOCK, KvBlocks};
pub use lora::{LoraSegment, lora};
pub use matmul::{Product, matmul, matmul_transposed};
pub use norm::{rms_norm, rms_norm_backward};
pub use pack::{PackedMatrix, WeightKind};
pub use rope::{Direction, rope};
pub use softmax::{LogitStats, log_softmax_stats, softmax_in_place};
pub use transpose::transposed;
