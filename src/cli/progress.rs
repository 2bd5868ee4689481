//! How far something long has come: a bar on a terminal, now and then a line elsewhere. On stderr.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Without a terminal, progress is a line at most this often.
const QUIET: Duration = Duration::from_secs(30);

/// A bar of values that are written.
pub(super) const VALUES: &str = "{bar:30} {percent} % of {human_len} values, {eta} left";
/// A bar of bytes that are written.
pub(super) const BYTES: &str = "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";

/// Shows one piece of work. May be told from many threads.
pub(super) struct Shown {
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
}

impl Shown {
    /// Work that begins now; the bar looks as indicatif's `template` says.
    pub(super) fn new(template: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { bar, last_line: Mutex::new(Instant::now()) }
    }

    /// Work of which `done` of `all` was there before: that is no speed.
    pub(super) fn begin_at(&self, done: u64, all: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(all);
            bar.set_position(done);
            bar.reset_eta();
        }
    }

    /// So much of all is done: moves the bar, or says `line` if the last one is long ago.
    pub(super) fn at(&self, done: u64, all: u64, line: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_length(all);
            bar.set_position(done);
            return;
        }
        // Who finds it taken leaves the line to the other.
        let Ok(mut last) = self.last_line.try_lock() else { return };
        if last.elapsed() >= QUIET {
            *last = Instant::now();
            self.say(&line());
        }
    }

    /// As [`at`](Self::at), with the line `43 % written`.
    pub(super) fn share(&self, done: u64, all: u64, what: &str) {
        self.at(done, all, || percent(done, all, what));
    }

    /// What stands in the bar's `{msg}`, where there is a bar.
    pub(super) fn note(&self, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_message(message());
        }
    }

    /// Prints a line without disturbing the bar.
    #[expect(clippy::print_stderr, reason = "progress belongs on stderr")]
    pub(super) fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn percent(done: u64, all: u64, what: &str) -> String {
    format!("{:.0} % {what}", 100.0 * done as f64 / all.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_nothing_is_no_fault() {
        assert_eq!(percent(3, 7, "written"), "43 % written");
        assert_eq!(percent(0, 0, "written"), "0 % written");
    }

    #[test]
    fn a_line_waits_for_the_last_one_to_be_long_ago() {
        let shown = Shown { bar: None, last_line: Mutex::new(Instant::now()) };
        let said = std::cell::Cell::new(0);
        let at = || {
            shown.at(1, 2, || {
                said.set(said.get() + 1);
                "half".to_owned()
            })
        };
        at();
        assert_eq!(said.get(), 0);
        let Some(before) = Instant::now().checked_sub(QUIET) else { return };
        *shown.last_line.lock().unwrap() = before;
        at();
        at();
        assert_eq!(said.get(), 1);
    }

    #[test]
    fn templates_are_sound() {
        for template in [VALUES, BYTES] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
