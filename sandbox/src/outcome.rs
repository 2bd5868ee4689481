//! How a program ended and what it left: nothing of it is trusted by being here.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By itself, with this exit status.
    Exited(i32),
    /// By this signal, sent by itself or by the system for what it did.
    Signalled(i32),
    /// It used up its processor time.
    CpuLimit,
    /// It was still there when its time by the clock was up.
    WallLimit,
    /// It asked for more memory than it may have.
    MemoryLimit,
    /// It wrote more than it may.
    OutputLimit,
    /// It tried a system call that no such program needs.
    Violation,
}

/// What is known of a program that has ended and of whose processes none is left.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// Standard output, up to the limit.
    pub stdout: Vec<u8>,
    /// Standard error, up to the limit.
    pub stderr: Vec<u8>,
    /// What it wrote to the private channel of a harness (empty for a program without one).
    pub result: Vec<u8>,
    /// Processor time of the whole tree.
    pub cpu: Duration,
    /// Time by the clock.
    pub wall: Duration,
    /// Largest resident memory of a process, in bytes, where it is known.
    pub peak_memory: Option<u64>,
}
