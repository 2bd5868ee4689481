//! Which examples go into which step: order, micro-batches and accumulation windows.
//!
//! Everything follows from (seed, epoch), so a position in the data is a number of finished steps.

use super::error::TrainError;
use super::random::{Purpose, Stream};

/// How many examples make one micro-batch (one forward and backward pass).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// This many examples.
    Examples(usize),
    /// As many examples as fit in this many tokens, at least one.
    Tokens(usize),
}

/// The settings that decide the order of the data.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanConfig {
    /// Size of a micro-batch.
    pub batch: BatchSize,
    /// Micro-batches whose gradients make one optimizer step.
    pub accumulation: usize,
    /// Passes over the data; a part of a pass is allowed.
    pub epochs: f64,
    /// Stop after this many steps whatever `epochs` says.
    pub max_steps: Option<usize>,
    /// Draw a new order every epoch.
    pub shuffle: bool,
    /// Decides those orders.
    pub seed: u64,
}

/// One optimizer step's data: example indices by micro-batch.
pub type Window = Vec<Vec<usize>>;

/// Walks over the windows of a run.
#[derive(Debug)]
pub struct Plan {
    config: PlanConfig,
    lengths: Vec<usize>,
    total_steps: usize,
    epoch: u64,
    windows: Vec<Window>,
    next: usize,
}

impl Plan {
    /// A plan over examples of these lengths (in tokens).
    ///
    /// # Errors
    /// When there is no example or a size is zero.
    pub fn new(config: PlanConfig, lengths: Vec<usize>) -> Result<Self, TrainError> {
        check(&config, &lengths)?;
        let windows = epoch_windows(&config, &lengths, 0);
        let total_steps = config
            .max_steps
            .unwrap_or_else(|| (config.epochs * windows.len() as f64).ceil().max(1.0) as usize);
        Ok(Self { config, lengths, total_steps, epoch: 0, windows, next: 0 })
    }

    /// Optimizer steps of the whole run. With a token budget the windows of an epoch may vary by a
    /// few; the first epoch's number decides.
    pub fn total_steps(&self) -> usize {
        self.total_steps
    }

    /// Most micro-batches in a window.
    pub fn accumulation(&self) -> usize {
        self.config.accumulation
    }

    /// Goes to the window that follows `done` finished steps.
    pub fn seek(&mut self, done: usize) {
        self.enter(0);
        let mut left = done;
        while left >= self.windows.len() {
            left -= self.windows.len();
            self.enter(self.epoch + 1);
        }
        self.next = left;
    }

    /// The next window, and the epoch (with its fraction) that is reached when it is done.
    pub fn next_window(&mut self) -> (Window, f64) {
        if self.next >= self.windows.len() {
            self.enter(self.epoch + 1);
        }
        let window = self.windows[self.next].clone();
        self.next += 1;
        let micro_batches = |windows: &[Window]| windows.iter().map(Vec::len).sum::<usize>() as f64;
        let done = micro_batches(&self.windows[..self.next]) / micro_batches(&self.windows);
        (window, self.epoch as f64 + done)
    }

    fn enter(&mut self, epoch: u64) {
        self.windows = epoch_windows(&self.config, &self.lengths, epoch);
        self.epoch = epoch;
        self.next = 0;
    }
}

fn check(config: &PlanConfig, lengths: &[usize]) -> Result<(), TrainError> {
    if lengths.is_empty() {
        return Err(TrainError::Data("there is no example to train on".to_owned()));
    }
    let (BatchSize::Examples(size) | BatchSize::Tokens(size)) = config.batch;
    if size == 0 || config.accumulation == 0 {
        return Err(TrainError::Setting(
            "batch_size and gradient_accumulation_steps must be at least 1, found 0".to_owned(),
        ));
    }
    if config.max_steps.is_none() && (!config.epochs.is_finite() || config.epochs <= 0.0) {
        return Err(TrainError::Setting(format!(
            "epochs must be above 0, found {}; or set max_steps",
            config.epochs
        )));
    }
    Ok(())
}

fn epoch_windows(config: &PlanConfig, lengths: &[usize], epoch: u64) -> Vec<Window> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    if config.shuffle {
        Stream::new(config.seed, Purpose::Shuffle, &[epoch]).shuffle(&mut order);
    }
    let batches = micro_batches(config.batch, &order, lengths);
    batches.chunks(config.accumulation).map(<[_]>::to_vec).collect()
}

/// Cuts `order` into micro-batches; the last one may be smaller.
pub fn micro_batches(size: BatchSize, order: &[usize], lengths: &[usize]) -> Vec<Vec<usize>> {
    match size {
        BatchSize::Examples(size) => order.chunks(size).map(<[_]>::to_vec).collect(),
        BatchSize::Tokens(budget) => by_tokens(budget, order, lengths),
    }
}

fn by_tokens(budget: usize, order: &[usize], lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut used = usize::MAX;
    for &index in order {
        used = used.saturating_add(lengths[index]);
        if used > budget {
            batches.push(Vec::new());
            used = lengths[index];
        }
        if let Some(batch) = batches.last_mut() {
            batch.push(index);
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(batch: BatchSize) -> PlanConfig {
        PlanConfig { batch, accumulation: 2, epochs: 2.0, max_steps: None, shuffle: true, seed: 3 }
    }

    #[test]
    fn every_epoch_sees_every_example_once_in_another_order() {
        let mut plan = Plan::new(config(BatchSize::Examples(3)), vec![5; 11]).unwrap();
        assert_eq!(plan.total_steps(), 4);
        let mut epoch = || {
            let (first, half) = plan.next_window();
            let (second, whole) = plan.next_window();
            assert!(half < whole);
            [first, second].concat().concat()
        };
        let (one, two) = (epoch(), epoch());
        assert_ne!(one, two);
        for mut order in [one, two] {
            order.sort_unstable();
            assert_eq!(order, (0..11).collect::<Vec<_>>());
        }
    }

    #[test]
    fn seeking_gives_what_walking_gives() {
        let lengths: Vec<usize> = (0..37).map(|i| 1 + i % 9).collect();
        for batch in [BatchSize::Examples(2), BatchSize::Tokens(12)] {
            let mut walked = Plan::new(config(batch), lengths.clone()).unwrap();
            let mut sought = Plan::new(config(batch), lengths.clone()).unwrap();
            for step in 0..40 {
                sought.seek(step);
                assert_eq!(walked.next_window(), sought.next_window());
            }
        }
    }

    #[test]
    fn a_token_budget_is_kept_where_it_can_be() {
        let lengths = [4, 4, 4, 20, 1, 1];
        let batches = micro_batches(BatchSize::Tokens(8), &[0, 1, 2, 3, 4, 5], &lengths);
        assert_eq!(batches, [vec![0, 1], vec![2], vec![3], vec![4, 5]]);
    }

    #[test]
    fn counts_epochs_as_the_hf_trainer_does() {
        let mut config = config(BatchSize::Examples(2));
        config.accumulation = 4;
        let mut plan = Plan::new(config, vec![1; 10]).unwrap();
        assert!((plan.next_window().1 - 0.8).abs() < 1e-12);
        assert!((plan.next_window().1 - 1.0).abs() < 1e-12);
        assert!((plan.next_window().1 - 1.8).abs() < 1e-12);
    }

    #[test]
    fn refuses_what_makes_no_run() {
        assert!(Plan::new(config(BatchSize::Examples(2)), vec![]).is_err());
        assert!(Plan::new(config(BatchSize::Examples(0)), vec![1]).is_err());
        let config = PlanConfig { epochs: 0.0, ..config(BatchSize::Examples(1)) };
        assert!(Plan::new(config, vec![1]).is_err());
    }
}
