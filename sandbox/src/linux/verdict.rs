//! Turns what the system says about an ended program into an `End`.

use std::time::Duration;

use super::pump::Found;
use super::supervise::Reason;
use crate::{End, Limits};

/// What is known when the last process is gone.
pub(super) struct Facts<'a> {
    /// Why the tree was ended.
    pub(super) reason: Reason,
    /// The status of the program as `wait` gives it.
    pub(super) status: i32,
    /// Processor time of the whole tree.
    pub(super) cpu: Duration,
    /// What the reading side found.
    pub(super) found: Found,
    /// Whether the control group killed for memory.
    pub(super) out_of_memory: bool,
    /// What the program wrote to standard error.
    pub(super) stderr: &'a [u8],
}

impl Facts<'_> {
    /// How the program ended.
    pub(super) fn end(&self, limits: &Limits) -> End {
        match self.found {
            Found::TooMuchMemory => return End::MemoryLimit,
            Found::TooMuchOutput => return End::OutputLimit,
            Found::Nothing | Found::Overdue => {}
        }
        match self.reason {
            _ if self.out_of_memory => End::MemoryLimit,
            Reason::Wall | Reason::Asked => End::WallLimit,
            Reason::Cpu => End::CpuLimit,
            Reason::Ended if self.cpu > limits.cpu => End::CpuLimit,
            Reason::Ended => self.own_end(),
        }
    }

    fn own_end(&self) -> End {
        if libc::WIFSIGNALED(self.status) {
            return match libc::WTERMSIG(self.status) {
                libc::SIGXCPU => End::CpuLimit,
                libc::SIGSYS => End::Violation,
                signal => End::Signalled(signal),
            };
        }
        let status = libc::WEXITSTATUS(self.status);
        if status != 0 && self.says_out_of_memory() {
            End::MemoryLimit
        } else {
            End::Exited(status)
        }
    }

    /// A refused allocation is seen by the program alone; the interpreter's last words tell it. A
    /// program that lies here only chooses between two ways to fail.
    fn says_out_of_memory(&self) -> bool {
        let tail = &self.stderr[self.stderr.len().saturating_sub(4096)..];
        let last = tail.trim_ascii_end().rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        last.starts_with(b"MemoryError") || last.ends_with(b"std::bad_alloc")
    }
}
