//! How far a long write has come: a bar on a terminal, a line now and then elsewhere. On stderr.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Without a terminal, progress is a line at most this often.
const QUIET: Duration = Duration::from_secs(30);

/// Shows one write. May be told from many threads.
pub(super) struct WriteProgress {
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
}

impl WriteProgress {
    /// A write that begins now.
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(progress_bar);
        Self { bar, last_line: Mutex::new(Instant::now()) }
    }

    /// `done` of `all` values are written.
    #[expect(clippy::print_stderr, reason = "progress belongs on stderr")]
    pub(super) fn update(&self, done: u64, all: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(all);
            bar.set_position(done);
            return;
        }
        // Who finds it taken leaves the line to the other.
        let Ok(mut last) = self.last_line.try_lock() else { return };
        if last.elapsed() >= QUIET {
            *last = Instant::now();
            eprintln!("{:.0} % written", 100.0 * done as f64 / all.max(1) as f64);
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "{bar:30} {percent} % of {human_len} values, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
