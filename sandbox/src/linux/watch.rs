//! Holds the limits of a tree of processes that are nobody's own: time and memory of all together.
//!
//! Time by the clock is the program's own: while it stands ready and the machine gives it no
//! processor, its clock rests. Otherwise a right program would be called slow on a busy machine. It
//! rests for so long and no longer (`PATIENCE`), and processor time is counted as it is spent.

use std::time::{Duration, Instant};

use super::memory::too_much_memory;
use super::tree::{Tree, starved};
use crate::Limits;

/// A limit that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A pipe brought more than its limit.
    Output,
    /// The tree had more memory than its limit.
    Memory,
    /// The tree used more processor time than its limit.
    Processor,
    /// The program's time by the clock was up.
    Clock,
}

/// A watch over one program.
pub(super) struct Watch {
    tree: Tree,
    limits: Limits,
    start: Instant,
    next_look: Duration,
    spent: Duration,
}

/// Before this time no program is worth a look.
const FIRST_LOOK: Duration = Duration::from_millis(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(15);
/// On a busy machine a program has at most so many times its time.
const PATIENCE: u32 = 4;

impl Watch {
    /// Over everything below `root`, from now on.
    pub(super) fn new(root: i32, limits: &Limits) -> Self {
        let first = FIRST_LOOK.min(limits.wall).min(limits.cpu);
        let (tree, start) = (Tree::below(root), Instant::now());
        Self { tree, limits: *limits, start, next_look: first, spent: Duration::ZERO }
    }

    /// How long until the next look is due.
    pub(super) fn rest(&self) -> Duration {
        self.next_look.saturating_sub(self.start.elapsed())
    }

    /// Looks, where that is due.
    pub(super) fn look(&mut self) -> Option<Found> {
        let elapsed = self.start.elapsed();
        if elapsed < self.next_look {
            return None;
        }
        let processes = self.tree.processes();
        self.spent = self.tree.processor_time(&processes);
        let found = if self.spent >= self.limits.cpu {
            Some(Found::Processor)
        } else if too_much_memory(&processes, self.limits.memory) {
            Some(Found::Memory)
        } else {
            self.is_late(elapsed, &processes).then_some(Found::Clock)
        };
        self.next_look = self.start.elapsed() + BETWEEN_LOOKS;
        found
    }

    fn is_late(&self, elapsed: Duration, processes: &[i32]) -> bool {
        if elapsed < self.limits.wall {
            return false;
        }
        let waited = processes.first().map_or(Duration::ZERO, |&first| starved(first));
        late(elapsed, waited, self.limits.wall)
    }

    /// Time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Processor time of the tree at the last look.
    pub(super) fn spent(&self) -> Duration {
        self.spent
    }
}

/// Whether a program's time is up: `wall` of it, or on a busy machine several times as much.
fn late(elapsed: Duration, waited: Duration, wall: Duration) -> bool {
    elapsed.saturating_sub(waited) >= wall || elapsed >= wall * PATIENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_waits_for_a_processor_is_not_late_but_not_for_ever() {
        let seconds = Duration::from_secs;
        assert!(!late(seconds(9), seconds(0), seconds(10)));
        assert!(late(seconds(10), seconds(0), seconds(10)));
        assert!(!late(seconds(12), seconds(3), seconds(10)));
        assert!(late(seconds(13), seconds(3), seconds(10)));
        assert!(late(seconds(40), seconds(39), seconds(10)));
    }

    #[test]
    fn a_watch_finds_the_processor_time_of_a_child() {
        let busy = ["-c", "while :; do :; done"];
        let mut child = std::process::Command::new("sh").args(busy).spawn().unwrap();
        let limits = Limits { cpu: Duration::from_millis(50), ..Limits::default() };
        let mut watch = Watch::new(std::process::id() as i32, &limits);
        let found = loop {
            if let Some(found) = watch.look() {
                break found;
            }
            std::thread::sleep(watch.rest());
        };
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found, Found::Processor);
        assert!(watch.spent() >= limits.cpu);
    }
}
