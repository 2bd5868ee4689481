//! Graders that run programs, against what the benchmarks' own code says and against attacks.

mod code;
