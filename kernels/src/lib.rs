//! Packed weights and SIMD kernels: slices in, slices out. No candle, no files, no configuration.
