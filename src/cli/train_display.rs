//! How a training run looks: a progress bar on a terminal, plain lines elsewhere. All on stderr,
//! but for the summary, which is the result.

use serde_json::{Map, Value};

use super::progress::Shown;
use crate::train::{Event, Progress, Summary};

/// Shows the events of one run.
pub(super) struct Display(Shown);

impl Display {
    /// A display for a run that begins now.
    pub(super) fn new() -> Self {
        Self(Shown::new("{bar:30} step {pos} of {len}, {msg}, {eta} left"))
    }

    /// Shows one event.
    pub(super) fn show(&self, event: Event) {
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
        self.0.finish();
        println!(
            "trained {} steps, {} tokens; {:.0} s in this process at {:.0} tokens/s",
            summary.steps, summary.tokens, summary.seconds, summary.tokens_per_second
        );
    }

    fn progress(&self, progress: &Progress) {
        let (done, total) = (progress.done, progress.total);
        let status =
            || format!("loss {:.4}, {:.0} tokens/s", progress.loss, progress.tokens_per_second);
        self.0.note(status);
        self.0.at(done as u64, total as u64, || format!("step {done} of {total}: {}", status()));
    }

    /// Prints a line without disturbing the bar.
    pub(super) fn line(&self, text: &str) {
        self.0.say(text);
    }
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
