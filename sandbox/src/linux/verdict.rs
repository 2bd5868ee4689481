//! Turns what the system says about an ended program into an `Outcome`.

use std::time::Duration;

use super::control_group::Group;
use super::pump::Sinks;
use super::watch::{Found, Watch};
use crate::{End, Error, Limits, Outcome};

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
    /// Of a program whose group was out of memory, so that even our process beside it was ended.
    pub(super) fn out_of_memory() -> Self {
        let found = Some(Found::Memory);
        Self { status: libc::SIGKILL, cpu: Duration::ZERO, peak_memory: None, found }
    }

    /// All that is known, with what the program wrote.
    ///
    /// # Errors
    ///
    /// Where the machine kept the program from showing anything.
    pub(super) fn outcome(
        mut self,
        sinks: Sinks,
        watch: &Watch,
        limits: &Limits,
    ) -> Result<Outcome, Error> {
        self.cpu = self.cpu.max(watch.spent());
        if self.found == Some(Found::Starvation) {
            return Err(Error::Busy { clock: watch.elapsed(), processor: self.cpu });
        }
        let mut bytes = sinks.into_bytes();
        let mut next = || bytes.next().unwrap_or_default();
        let (stdout, stderr, result) = (next(), next(), next());
        Ok(Outcome {
            end: self.end(&stderr, limits),
            cpu: self.cpu,
            wall: watch.elapsed(),
            peak_memory: self.peak_memory,
            stdout,
            stderr,
            result,
        })
    }

    /// Asks the group, after every program: whether a process of it was ended for memory. Then this
    /// is what ended the program too, if it was killed. `before` is the group's count until then.
    pub(super) fn ask(&mut self, group: Option<&Group>, before: &mut u64) -> bool {
        group.is_some_and(|group| self.learn(group.ended_for_memory(), before))
    }

    fn learn(&mut self, now: u64, before: &mut u64) -> bool {
        let rose = now > *before;
        *before = now;
        let killed = libc::WIFSIGNALED(self.status) && libc::WTERMSIG(self.status) == libc::SIGKILL;
        if rose && killed && self.found.is_none() {
            self.found = Some(Found::Memory);
        }
        rose
    }

    /// How the program ended.
    fn end(&self, stderr: &[u8], limits: &Limits) -> End {
        match self.found {
            Some(Found::Memory) => End::MemoryLimit,
            Some(Found::Output) => End::OutputLimit,
            Some(Found::Processor) => End::CpuLimit,
            Some(Found::Clock | Found::Starvation) => End::WallLimit,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_programs_own_kill_is_not_blamed_on_memory_that_another_wanted() {
        let ended = |status| Facts { status, cpu: Duration::ZERO, peak_memory: None, found: None };
        let mut before = 0;
        // The first lost a child to the system and ended well; the second killed itself.
        let mut first = ended(0);
        assert!(first.learn(1, &mut before));
        assert_eq!(first.found, None);
        let mut second = ended(libc::SIGKILL);
        assert!(!second.learn(1, &mut before));
        assert_eq!(second.found, None);
        let mut third = ended(libc::SIGKILL);
        assert!(third.learn(2, &mut before));
        assert_eq!(third.found, Some(Found::Memory));
    }
}
