//! Holds the limits of a tree of processes that are nobody's own: time and memory of all together.
//!
//! Time by the clock is the program's own (`clock`). Processor time is counted as it is spent.

use std::time::{Duration, Instant};

use super::clock::{Clock, is_ready};
use super::memory::too_much_memory;
use super::tree::Tree;
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
    /// The machine kept the program waiting for so long that nothing can be said of it.
    Starvation,
}

/// A watch over one program.
pub(super) struct Watch {
    tree: Tree,
    clock: Clock,
    limits: Limits,
    start: Instant,
    next_look: Duration,
    spent: Duration,
}

/// Before this time no program is worth a look.
const FIRST_LOOK: Duration = Duration::from_millis(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(15);

impl Watch {
    /// Over everything below `root`, from now on.
    pub(super) fn new(root: i32, limits: &Limits) -> Self {
        let first = FIRST_LOOK.min(limits.wall).min(limits.cpu);
        let (tree, clock) = (Tree::below(root), Clock::new(limits.wall));
        let (start, spent) = (Instant::now(), Duration::ZERO);
        Self { tree, clock, limits: *limits, start, next_look: first, spent }
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
            // Before the first and after the last of them it is our own process that may wait.
            let ready = is_ready(self.tree.root(), &processes);
            self.clock.look(elapsed, self.spent, ready)
        };
        self.next_look = self.start.elapsed() + BETWEEN_LOOKS;
        found
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

#[cfg(test)]
mod tests {
    use super::*;

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
