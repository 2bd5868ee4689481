//! How a download looks: a bar on a terminal, now and then a line elsewhere. On stderr.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use hf_hub::api::Progress;
use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};

/// Without a terminal, progress is a line at most this often.
const QUIET: Duration = Duration::from_secs(30);
/// Files smaller than this are not worth a line.
const SMALL: usize = 10_000_000;

/// One file on its way.
pub(super) struct Download {
    name: String,
    total: usize,
    done: usize,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Download {
    /// A download that begins now.
    pub(super) fn new(name: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0).with_style(style()));
        Self { name: name.to_owned(), total: 0, done: 0, bar, last_line: Instant::now() }
    }

    fn line(&self) {
        if self.bar.is_none() && self.total >= SMALL {
            let (done, total) = (DecimalBytes(self.done as u64), DecimalBytes(self.total as u64));
            tracing::info!("fetching {}: {done} of {total}", self.name);
        }
    }
}

fn style() -> ProgressStyle {
    let shape =
        "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}";
    ProgressStyle::with_template(shape).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Progress for Download {
    /// Called at the start, and again when a download goes on: then `update` tells what was there.
    fn init(&mut self, size: usize, _name: &str) {
        (self.total, self.done) = (size, 0);
        if let Some(bar) = &self.bar {
            bar.set_length(size as u64);
            bar.set_position(0);
            bar.set_message(self.name.clone());
        }
    }

    fn update(&mut self, size: usize) {
        let first = self.done == 0;
        self.done += size;
        if let Some(bar) = &self.bar {
            bar.inc(size as u64);
        }
        if first || self.last_line.elapsed() >= QUIET {
            self.last_line = Instant::now();
            self.line();
        }
    }

    fn finish(&mut self) {
        self.line();
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
