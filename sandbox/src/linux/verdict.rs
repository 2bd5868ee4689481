//! Turns what the system says about an ended program into an `Outcome`.

use std::time::Duration;

use super::control_group::Group;
use super::pump::Sinks;
use super::watch::{Found, Watch};
use crate::{End, Limits, Outcome};

/// What is known when the last process is gone.
pub(super) struct Facts {
    /// The status of the program as `wait` gives it.
    pub(super) status: i32,
    /// Processor time of the processes that were waited for.
    pub(super) cpu: Duration,
    /// Largest resident memory of a process, in bytes, where it is known.
    pub(super) peak_memory: Option<u64>,
    /// The limit for which it was ended.
    pub(super) found: Option<Found>,
}

impl Facts {
    /// All that is known, with what the program wrote.
    pub(super) fn outcome(mut self, sinks: Sinks, watch: &Watch, limits: &Limits) -> Outcome {
        self.cpu = self.cpu.max(watch.spent());
        let mut bytes = sinks.into_bytes();
        let mut next = || bytes.next().unwrap_or_default();
        let (stdout, stderr, result) = (next(), next(), next());
        Outcome {
            end: self.end(&stderr, limits),
            cpu: self.cpu,
            wall: watch.elapsed(),
            peak_memory: self.peak_memory,
            stdout,
            stderr,
            result,
        }
    }

    /// Whether it was its group that ended the program, for memory; `before` counts those of whom
    /// that is known.
    pub(super) fn ask(&mut self, group: Option<&Group>, before: &mut u64) {
        let killed = libc::WIFSIGNALED(self.status) && libc::WTERMSIG(self.status) == libc::SIGKILL;
        if let Some(group) = group.filter(|_| killed && self.found.is_none()) {
            let now = group.ended_for_memory();
            self.found = (now > *before).then_some(Found::Memory);
            *before = now;
        }
    }

    /// How the program ended.
    fn end(&self, stderr: &[u8], limits: &Limits) -> End {
        match self.found {
            Some(Found::Memory) => End::MemoryLimit,
            Some(Found::Output) => End::OutputLimit,
            Some(Found::Processor) => End::CpuLimit,
            Some(Found::Clock) => End::WallLimit,
            None if self.cpu > limits.cpu => End::CpuLimit,
            None => self.own_end(stderr),
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
