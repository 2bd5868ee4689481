//! A program's own time by the clock: it rests while the program stands ready and the machine gives
//! it no processor. Otherwise a right program would be called slow on a busy machine, to which it
//! may yield at that (`priority`). A machine that is too busy for too long (`PATIENCE`) is the machine's
//! failure. Left out: the limit of processor time (`watch`).

use std::time::Duration;

use super::tree::has_thread;
use super::watch::Found;

/// On a busy machine a program has at most so many times its time, and never less than some minutes:
/// at the lowest priority it may get a three-hundredth of a processor.
const PATIENCE: u32 = 400;
const MINUTES: Duration = Duration::from_secs(600);

/// The clock of one program.
pub(super) struct Clock {
    wall: Duration,
    /// What it shows.
    own: Duration,
    /// At the last look: time since the start, and what all processes had computed.
    elapsed: Duration,
    spent: Duration,
}

impl Clock {
    /// A clock that is to show less than `wall`.
    pub(super) fn new(wall: Duration) -> Self {
        Self { wall, own: Duration::ZERO, elapsed: Duration::ZERO, spent: Duration::ZERO }
    }

    /// Moves on to `elapsed` after the start, when all processes together have computed for `spent`
    /// and one of them is `ready` to go on or not. Whether the time is up.
    pub(super) fn look(
        &mut self,
        elapsed: Duration,
        spent: Duration,
        ready: bool,
    ) -> Option<Found> {
        let since = elapsed.saturating_sub(self.elapsed);
        let computed = spent.saturating_sub(self.spent);
        self.own += if ready { computed.min(since) } else { since };
        (self.elapsed, self.spent) = (elapsed, spent);
        if self.own >= self.wall {
            Some(Found::Clock)
        } else {
            (elapsed >= MINUTES.max(self.wall.saturating_mul(PATIENCE)))
                .then_some(Found::Starvation)
        }
    }
}

/// Whether a thread of these processes, or of `root` above them, has a processor or waits for one. Of
/// `root`, which is ours, also whether one waits in the system for another that does; a program could
/// wait there for its own child.
pub(super) fn is_ready(root: i32, processes: &[i32]) -> bool {
    has_thread(root, &['R', 'D']) || processes.iter().any(|&pid| has_thread(pid, &['R']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Looks of (seconds since the last, seconds computed since then, ready), at a wall of 10.
    fn shown(looks: &[(u64, u64, bool)]) -> (Duration, Option<Found>) {
        let mut clock = Clock::new(Duration::from_secs(10));
        let (mut elapsed, mut spent, mut found) = (Duration::ZERO, Duration::ZERO, None);
        for &(since, computed, ready) in looks {
            elapsed += Duration::from_secs(since);
            spent += Duration::from_secs(computed);
            found = clock.look(elapsed, spent, ready);
        }
        (clock.own, found)
    }

    #[test]
    fn the_clock_rests_while_a_program_waits_for_a_processor_but_not_for_ever() {
        let seconds = Duration::from_secs;
        assert_eq!(shown(&[(9, 0, false)]), (seconds(9), None));
        assert_eq!(shown(&[(9, 0, false), (1, 0, false)]), (seconds(10), Some(Found::Clock)));
        assert_eq!(shown(&[(5, 5, true), (20, 3, true)]), (seconds(8), None));
        assert_eq!(shown(&[(5, 5, true), (20, 3, true), (3, 0, false)]).1, Some(Found::Clock));
        // Its own threads keep each other waiting.
        assert_eq!(shown(&[(9, 18, true)]), (seconds(9), None));
        assert_eq!(shown(&[(10, 20, true)]).1, Some(Found::Clock));
        assert_eq!(shown(&[(3999, 9, true)]), (seconds(9), None));
        assert_eq!(shown(&[(4000, 9, true)]).1, Some(Found::Starvation));
    }

    #[test]
    fn who_loops_is_ready_and_who_sleeps_is_not() {
        let start = |script: &str| Command::new("sh").args(["-c", script]).spawn().unwrap();
        let mut busy = start("while :; do :; done");
        let is_ready = |child: &std::process::Child| is_ready(1 << 30, &[child.id() as i32]);
        assert!(is_ready(&busy));
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(!is_ready(&busy));
        let mut idle = start("exec sleep 100");
        while is_ready(&idle) {
            std::thread::yield_now();
        }
        idle.kill().unwrap();
        idle.wait().unwrap();
    }
}
