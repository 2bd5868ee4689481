//! How an export looks: a bar on a terminal, warnings as lines on stderr, the result on stdout.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

/// A bar of what is done; none where nobody sees it.
pub(super) struct Bar(Option<ProgressBar>);

impl Bar {
    /// Of bytes written.
    pub(super) fn bytes() -> Self {
        Self::new("{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left")
    }

    /// Of chunks of a text.
    pub(super) fn chunks() -> Self {
        Self::new("{bar:30} {pos} of {len} chunks, {eta} left")
    }

    fn new(template: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self(bar)
    }

    /// So many of so many are done.
    pub(super) fn show(&self, done: u64, all: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(all);
            bar.set_position(done);
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Prints sentences that the user should read.
#[expect(clippy::print_stderr, reason = "warnings belong on stderr")]
pub(super) fn warn<'a>(warnings: impl IntoIterator<Item = &'a String>) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}

/// Prints the result: one JSON object, or the lines for people.
pub(super) fn result(json: bool, object: &Value, lines: &str) -> Result<()> {
    let text = if json { format!("{object}\n") } else { lines.to_owned() };
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}
