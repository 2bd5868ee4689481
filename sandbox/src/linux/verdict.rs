//! Turns what the system says about an ended program into an `Outcome`.

use std::time::Duration;

use super::pump::{Found, Sinks};
use super::supervise::Reason;
use crate::{End, Limits, Outcome};

/// What is known when the last process is gone.
pub(super) struct Facts {
    /// Why the tree was ended.
    pub(super) reason: Reason,
    /// The status of the program as `wait` gives it.
    pub(super) status: i32,
    /// Processor time of the whole tree.
    pub(super) cpu: Duration,
    /// What the reading side found.
    pub(super) found: Found,
    /// Time by the clock.
    pub(super) wall: Duration,
    /// Largest resident memory of a process, in bytes, where it is known.
    pub(super) peak_memory: Option<u64>,
}

impl Facts {
    /// All that is known, with what the program wrote.
    pub(super) fn outcome(self, sinks: Sinks, limits: &Limits) -> Outcome {
        let mut bytes = sinks.into_bytes();
        let mut next = || bytes.next().unwrap_or_default();
        let (stdout, stderr, result) = (next(), next(), next());
        Outcome {
            end: self.end(&stderr, limits),
            cpu: self.cpu,
            wall: self.wall,
            peak_memory: self.peak_memory,
            stdout,
            stderr,
            result,
        }
    }

    /// How the program ended.
    fn end(&self, stderr: &[u8], limits: &Limits) -> End {
        match self.found {
            Found::TooMuchMemory => return End::MemoryLimit,
            Found::TooMuchOutput => return End::OutputLimit,
            Found::Nothing | Found::Overdue => {}
        }
        match self.reason {
            Reason::Wall | Reason::Asked => End::WallLimit,
            Reason::Cpu => End::CpuLimit,
            Reason::Ended if self.cpu > limits.cpu => End::CpuLimit,
            Reason::Ended => self.own_end(stderr),
        }
    }

    fn own_end(&self, stderr: &[u8]) -> End {
        if libc::WIFSIGNALED(self.status) {
            return match libc::WTERMSIG(self.status) {
                libc::SIGXCPU => End::CpuLimit,
                libc::SIGSYS => End::Violation,
                signal => End::Signalled(signal),
            };
        }
        let status = libc::WEXITSTATUS(self.status);
        if status != 0 && says_out_of_memory(stderr) {
            End::MemoryLimit
        } else {
            End::Exited(status)
        }
    }
}

/// A refused allocation is seen by the program alone; the interpreter's last words tell it. A
/// program that lies here only chooses between two ways to fail.
fn says_out_of_memory(stderr: &[u8]) -> bool {
    let tail = &stderr[stderr.len().saturating_sub(4096)..];
    let last = tail.trim_ascii_end().rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
    last.starts_with(b"MemoryError") || last.ends_with(b"std::bad_alloc")
}
