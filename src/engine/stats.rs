//! What the engine counts, for `/metrics`. Names follow vLLM's; Prometheus' text format is `api`'s.

use super::block_manager::PrefixStats;
use super::request::FinishReason;
use std::collections::BTreeMap;

/// Names that are counted by themselves; later ones are counted together under [`OTHER_ADAPTERS`],
/// so that a server that loads ever new names stays bounded.
const MAX_ADAPTER_NAMES: usize = 1000;
/// Stands for the adapters beyond the first thousand names.
pub const OTHER_ADAPTERS: &str = "(other)";

/// Upper bounds in seconds of vLLM's `time_to_first_token_seconds`.
const FIRST_TOKEN_BOUNDS: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
];
/// Upper bounds in seconds of vLLM's `inter_token_latency_seconds`.
const INTER_TOKEN_BOUNDS: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0,
    40.0, 80.0,
];
/// Upper bounds in seconds of vLLM's `e2e_request_latency_seconds`.
const REQUEST_BOUNDS: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0,
    480.0, 960.0, 1920.0, 7680.0,
];

/// A snapshot of the engine's gauges, and its counters since the start.
#[derive(Clone, Debug)]
pub struct EngineStats {
    /// Sequences that hold blocks now.
    pub num_requests_running: usize,
    /// Requests that wait now, preempted ones included.
    pub num_requests_waiting: usize,
    /// KV blocks in all.
    pub num_blocks: usize,
    /// KV blocks held by running sequences now.
    pub num_used_blocks: usize,
    /// KV blocks whose content may be found by later requests now.
    pub num_cached_blocks: usize,
    /// Prefix cache counters, in tokens.
    pub prefix_cache: PrefixStats,
    /// Running sequences that had to give their blocks back.
    pub num_preemptions: u64,
    /// Steps run.
    pub num_steps: u64,
    /// Requests that ended, by how.
    pub finished: FinishedCounts,
    /// Requests and tokens by adapter name; the base is under its own name.
    pub by_model: BTreeMap<String, ModelCounts>,
    /// Seconds from submission to the first token.
    pub time_to_first_token: Histogram,
    /// Seconds between tokens of one answer.
    pub inter_token_latency: Histogram,
    /// Seconds from submission to the end, for requests that came to their end.
    pub request_latency: Histogram,
}

/// How requests ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FinishedCounts {
    /// At an end-of-sequence or stop token or a stop string.
    pub stop: u64,
    /// After `max_tokens`.
    pub length: u64,
    /// By cancellation or shutdown.
    pub aborted: u64,
    /// By an error.
    pub failed: u64,
}

/// What one model name did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelCounts {
    /// Requests taken in.
    pub requests: u64,
    /// Tokens of their prompts, counted when first admitted.
    pub prompt_tokens: u64,
    /// Those of them that the prefix cache saved.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub generation_tokens: u64,
}

impl EngineStats {
    /// Everything at zero.
    pub fn new(num_blocks: usize) -> Self {
        Self {
            num_requests_running: 0,
            num_requests_waiting: 0,
            num_blocks,
            num_used_blocks: 0,
            num_cached_blocks: 0,
            prefix_cache: PrefixStats::default(),
            num_preemptions: 0,
            num_steps: 0,
            finished: FinishedCounts::default(),
            by_model: BTreeMap::new(),
            time_to_first_token: Histogram::new(FIRST_TOKEN_BOUNDS),
            inter_token_latency: Histogram::new(INTER_TOKEN_BOUNDS),
            request_latency: Histogram::new(REQUEST_BOUNDS),
        }
    }

    /// Share of the KV blocks that running sequences hold, 0 to 1.
    pub fn kv_cache_usage(&self) -> f64 {
        self.num_used_blocks as f64 / self.num_blocks.max(1) as f64
    }

    /// Sums over all model names.
    pub fn totals(&self) -> ModelCounts {
        self.by_model.values().fold(ModelCounts::default(), |sum, counts| ModelCounts {
            requests: sum.requests + counts.requests,
            prompt_tokens: sum.prompt_tokens + counts.prompt_tokens,
            cached_tokens: sum.cached_tokens + counts.cached_tokens,
            generation_tokens: sum.generation_tokens + counts.generation_tokens,
        })
    }

    /// The counters of one model name.
    pub(super) fn model(&mut self, name: &str) -> &mut ModelCounts {
        let is_known = self.by_model.contains_key(name);
        let name =
            if is_known || self.by_model.len() < MAX_ADAPTER_NAMES { name } else { OTHER_ADAPTERS };
        self.by_model.entry(name.to_owned()).or_default()
    }

    /// Counts one end; `None` is a failure.
    pub(super) fn count_end(&mut self, reason: Option<FinishReason>) {
        match reason {
            Some(FinishReason::Stop) => self.finished.stop += 1,
            Some(FinishReason::Length) => self.finished.length += 1,
            Some(FinishReason::Aborted) => self.finished.aborted += 1,
            None => self.finished.failed += 1,
        }
    }
}

/// Counts of values by upper bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Upper bounds, ascending; values above the last are counted in `counts.last()`.
    pub bounds: &'static [f64],
    /// Values in each bucket (not cumulative): one more entry than `bounds`.
    pub counts: Vec<u64>,
    /// Sum of all values.
    pub sum: f64,
    /// Number of values.
    pub count: u64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0, count: 0 }
    }

    pub(super) fn observe(&mut self, value: f64) {
        self.counts[self.bounds.partition_point(|bound| *bound < value)] += 1;
        self.sum += value;
        self.count += 1;
    }

    /// The mean of all values; `None` before the first.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_below_it() {
        let mut histogram = Histogram::new(&[1.0, 2.0]);
        [0.5, 1.0, 1.5, 9.0].into_iter().for_each(|value| histogram.observe(value));
        assert_eq!(histogram.counts, [2, 1, 1]);
        assert_eq!((histogram.count, histogram.mean()), (4, Some(3.0)));
    }

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        let mut stats = EngineStats::new(1);
        for i in 0..MAX_ADAPTER_NAMES + 5 {
            stats.model(&format!("adapter-{i}")).requests += 1;
        }
        assert_eq!(stats.by_model[OTHER_ADAPTERS].requests, 5);
        assert_eq!(stats.totals().requests, MAX_ADAPTER_NAMES as u64 + 5);
    }
}
