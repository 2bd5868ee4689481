//! How an evaluation looks while it runs: a bar on a terminal, now and then a line elsewhere, both
//! with each arm's result so far. All on stderr.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use eval::{Event, MeasureKind};

use crate::cli::progress::Shown;

/// Reasons of failures that are shown; all of them are in the folder.
const MAX_REASONS: usize = 5;

/// Shows one evaluation. May be told from many threads.
#[derive(Default)]
pub(super) struct Progress {
    state: Mutex<Option<State>>,
}

struct State {
    shown: Shown,
    arms: Vec<Arm>,
    kind: MeasureKind,
    began: Instant,
    /// Samples there before.
    before: usize,
    done: usize,
    total: usize,
    /// Tokens written, as far as the server counts them.
    tokens: Option<u64>,
    reasons: HashSet<String>,
}

struct Arm {
    label: String,
    graded: usize,
    sum: f64,
}

impl Progress {
    /// Shows what happened.
    pub(super) fn show(&self, event: Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (event, state.as_mut()) {
            (Event::Started { done, total, arms, headline, tallies }, _) => {
                let named = arms.iter().zip(tallies).map(|(arm, &(graded, sum))| Arm {
                    label: arm.label.clone(),
                    graded,
                    sum,
                });
                *state = Some(State::new(named.collect(), headline.kind, done, total));
            }
            (Event::Sample { arm, headline, failed, usage }, Some(state)) => {
                if let Some(tokens) = usage.completion_tokens {
                    *state.tokens.get_or_insert(0) += u64::from(tokens);
                }
                state.sample(arm, headline, failed);
            }
            (Event::Sample { .. }, None) => {}
        }
    }

    /// Takes the bar away, and says how it went.
    pub(super) fn finish(&self) {
        if let Some(state) = &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            state.shown.finish();
            if state.done > state.before {
                state.shown.say(&state.summary());
            }
        }
    }
}

impl State {
    fn new(arms: Vec<Arm>, kind: MeasureKind, done: usize, total: usize) -> Self {
        let shown = Shown::new("{bar:30} {pos} of {len}, {per_sec}, {eta} left; {msg}");
        shown.begin_at(done as u64, total as u64);
        let state = Self {
            shown,
            arms,
            kind,
            began: Instant::now(),
            before: done,
            done,
            total,
            tokens: None,
            reasons: HashSet::new(),
        };
        let labels: Vec<&str> = state.arms.iter().map(|arm| arm.label.as_str()).collect();
        let there = if done > 0 { format!(", {done} there already") } else { String::new() };
        state.shown.say(&format!("{total} samples of {}{there}", labels.join(", ")));
        state
    }

    fn sample(&mut self, arm: usize, headline: Option<f64>, failed: Option<&str>) {
        self.done += 1;
        if let (Some(arm), Some(value)) = (self.arms.get_mut(arm), headline) {
            arm.graded += 1;
            arm.sum += value;
        }
        if let Some(reason) = failed
            && self.reasons.len() < MAX_REASONS
            && self.reasons.insert(reason.to_owned())
        {
            self.shown.say(&format!("a sample failed and is for the next run: {reason}"));
        }
        self.shown.note(|| self.rates());
        self.shown.at(self.done as u64, self.total as u64, || self.status());
    }

    /// `120 of 600 samples, 4.1/s, 2 min left; base 50.8 %, sft 71.0 %`
    fn status(&self) -> String {
        let rate = self.rate();
        let left = (self.total - self.done.min(self.total)) as f64 / rate.max(1e-9);
        let left = indicatif::HumanDuration(Duration::from_secs_f64(left.min(1e9)));
        format!(
            "{} of {} samples, {rate:.1}/s, {left} left; {}",
            self.done,
            self.total,
            self.rates()
        )
    }

    fn rate(&self) -> f64 {
        (self.done - self.before) as f64 / self.began.elapsed().as_secs_f64().max(1e-9)
    }

    fn summary(&self) -> String {
        let seconds = self.began.elapsed().as_secs_f64().max(1e-9);
        let tokens = self.tokens.map_or_else(String::new, |tokens| {
            format!(", {:.0} tokens/s", tokens as f64 / seconds)
        });
        let done = self.done - self.before;
        format!("{done} samples in {seconds:.1} s: {:.1} samples/s{tokens}", self.rate())
    }

    fn rates(&self) -> String {
        let so_far = |arm: &Arm| format!("{} {}", arm.label, mean(arm, self.kind));
        self.arms.iter().map(so_far).collect::<Vec<_>>().join(", ")
    }
}

/// An arm's mean so far: a share of success in per cent, a score as it is.
fn mean(arm: &Arm, kind: MeasureKind) -> String {
    let mean = arm.sum / arm.graded as f64;
    match (arm.graded, kind) {
        (0, _) => "-".to_owned(),
        (_, MeasureKind::Verdict | MeasureKind::Preference) => format!("{:.1} %", 100.0 * mean),
        (_, MeasureKind::Score) => format!("{mean:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_no_share_of_success() {
        let arm = |graded, sum| Arm { label: "a".to_owned(), graded, sum };
        assert_eq!(mean(&arm(4, 3.0), MeasureKind::Verdict), "75.0 %");
        assert_eq!(mean(&arm(4, 6.0), MeasureKind::Score), "1.500");
        assert_eq!(mean(&arm(0, 0.0), MeasureKind::Verdict), "-");
    }
}
