//! How a training run looks: a progress bar on a terminal, plain lines elsewhere. All on stderr,
//! but for the summary, which is the result.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value};

use crate::train::{Event, Progress, Summary};

/// Without a terminal, progress is a line at most this often.
const QUIET: Duration = Duration::from_secs(30);

/// Shows the events of one run.
pub(super) struct Display {
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Display {
    /// A display for a run that begins now.
    pub(super) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(progress_bar);
        Self { bar, last_line: Instant::now() }
    }

    /// Shows one event.
    pub(super) fn show(&mut self, event: Event) {
        match event {
            Event::Notice(text) | Event::Preview(text) => self.line(text),
            Event::Progress(progress) => self.progress(&progress),
            Event::Logged(metrics) => self.line(&sentence(metrics)),
            Event::Saved(path) => self.line(&format!("saved {}", path.display())),
        }
    }

    /// Ends the bar and prints the summary.
    #[expect(clippy::print_stdout, reason = "the summary is the command's result")]
    pub(super) fn finish(&self, summary: &Summary) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        println!(
            "trained {} steps, {} tokens; {:.0} s in this process at {:.0} tokens/s",
            summary.steps, summary.tokens, summary.seconds, summary.tokens_per_second
        );
    }

    fn progress(&mut self, progress: &Progress) {
        let status =
            format!("loss {:.4}, {:.0} tokens/s", progress.loss, progress.tokens_per_second);
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
            bar.set_message(status);
        } else if self.last_line.elapsed() >= QUIET {
            self.line(&format!("step {} of {}: {status}", progress.done, progress.total));
            self.last_line = Instant::now();
        }
    }

    /// Prints a line without disturbing the bar.
    #[expect(clippy::print_stderr, reason = "progress belongs on stderr")]
    pub(super) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "{bar:30} step {pos} of {len}, {msg}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// `step 10: loss 0.6931, grad_norm 1.2 ...`
fn sentence(metrics: &Map<String, Value>) -> String {
    let step = metrics.get("step").map(Value::to_string).unwrap_or_default();
    let shown = metrics.iter().filter(|(name, _)| *name != "step").map(|(name, value)| {
        let number = value.as_f64().filter(|_| value.is_f64());
        number.map_or_else(|| format!("{name} {value}"), |n| format!("{name} {}", short(n)))
    });
    format!("step {step}: {}", shown.collect::<Vec<_>>().join(", "))
}

/// Four significant digits.
fn short(number: f64) -> String {
    if number == 0.0 || (1e-3..1e6).contains(&number.abs()) {
        format!("{number:.4}")
    } else {
        format!("{number:.3e}")
    }
}
