//! The loop that every recipe shares: window, gradients, clip, step, log, evaluate, save.
//!
//! Knows nothing of adapters or file layouts: what is trained is behind [`Subject`].

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::adamw::{AdamW, AdamWConfig};
use super::backward::{Memory, Run};
use super::batch::{PackedBatch, Sample, label_count};
use super::checkpoint::{self, RunState};
use super::clip::clip_global_norm;
use super::error::TrainError;
use super::events::{Event, Progress, Report};
use super::metrics::{BatchStats, Meter, StepReport};
use super::parameters::{Gradients, Parameters};
use super::plan::{BatchSize, Plan, Window, micro_batches};
use super::preflight::check_gradients;
use super::schedule::Schedule;
use super::tensors;
use super::trainer_state::{History, RunFacts, read_history};
use crate::model::{Decoder, TrainableAdapter, Wear};

/// What is trained: a model with some trainable tensors, and how they go to disk.
pub trait Subject {
    /// The model.
    fn decoder(&self) -> &Decoder;

    /// The tensors that are trained.
    fn parameters(&self) -> &Parameters;

    /// The adapter that rows wear in the micro-batch at this place, or in evaluation; `None` when
    /// the base itself is trained.
    fn adapter(&self, place: Place) -> Option<TrainableAdapter>;

    /// Whether this parameter's gradient is zero until the first update.
    fn starts_without_gradient(&self, name: &str) -> bool;

    /// The file of a checkpoint that holds the trained tensors in f32.
    fn weights_file(&self) -> &'static str;

    /// Writes everything but the training state into `dir`: for a checkpoint in f32, for the
    /// finished result as it is published.
    ///
    /// # Errors
    /// When a file cannot be written.
    fn write(&self, dir: &Path, stage: Stage) -> Result<(), TrainError>;
}

/// Where in a run the model is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In training: step and micro-batch, from 0. Dropout depends on both.
    Training {
        /// Finished steps.
        step: u64,
        /// Micro-batch of the window.
        micro_batch: u64,
    },
    /// In evaluation: nothing is tracked, nothing dropped.
    Evaluation,
}

/// What a folder is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// To resume from.
    Checkpoint,
    /// To be used.
    Final,
}

/// Settings of the loop.
#[derive(Debug, Clone, PartialEq)]
pub struct LoopConfig {
    /// The output folder.
    pub output: PathBuf,
    /// Optimizer settings.
    pub adamw: AdamWConfig,
    /// Learning rates.
    pub schedule: Schedule,
    /// Limit of the gradient norm; 0 turns clipping off.
    pub max_grad_norm: f64,
    /// Gradient checkpointing or not.
    pub memory: Memory,
    /// Examples of an evaluation batch.
    pub eval_batch: BatchSize,
    /// Figures for `trainer_state.json`, and how often to log, evaluate and save.
    pub facts: RunFacts,
    /// Checkpoints to keep.
    pub save_total_limit: Option<usize>,
    /// Go on from the newest checkpoint.
    pub resume: bool,
    /// The resolved settings as they are recorded.
    pub settings: Map<String, Value>,
}

/// What a finished run did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Optimizer steps of the whole run.
    pub steps: usize,
    /// Tokens of the whole run.
    pub tokens: u64,
    /// Seconds this process trained.
    pub seconds: f64,
    /// Tokens a second in this process.
    pub tokens_per_second: f64,
}

/// Trains `subject` on `train`, writing checkpoints and metrics; the finished result is left to the
/// caller.
///
/// # Errors
/// When the output belongs to another run, a gradient is missing or not finite, or a file cannot be
/// written.
pub fn run(
    subject: &dyn Subject,
    (train, eval): (&[Sample], &[Sample]),
    plan: Plan,
    config: &LoopConfig,
    report: Report,
) -> Result<Summary, TrainError> {
    let mut state = State::begin(subject, plan, config, report)?;
    let (started, tokens_before) = (Instant::now(), state.meter.num_tokens);
    let total = config.facts.max_steps;
    while state.done < total {
        let last = state.step(subject, train, config)?;
        let seconds = started.elapsed().as_secs_f64();
        let tokens_per_second = (state.meter.num_tokens - tokens_before) as f64 / seconds;
        report(Event::Progress(Progress {
            done: state.done,
            total,
            loss: last.loss,
            tokens_per_second,
        }));
        state.log_evaluate_save(subject, eval, (config, &last), report)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    let tokens = state.meter.num_tokens;
    Ok(Summary {
        steps: state.done,
        tokens,
        seconds,
        tokens_per_second: (tokens - tokens_before) as f64 / seconds.max(1e-9),
    })
}

/// Everything that changes while a run runs.
struct State {
    plan: Plan,
    optimizer: AdamW,
    meter: Meter,
    history: History,
    done: usize,
    /// Whether a step has moved the weights yet, so that every gradient must now be there.
    moved: Moved,
}

/// How far the check of the first gradients has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moved {
    No,
    Once,
    Checked,
}

impl State {
    fn begin(
        subject: &dyn Subject,
        mut plan: Plan,
        config: &LoopConfig,
        report: Report,
    ) -> Result<Self, TrainError> {
        let parameters = subject.parameters();
        let mut optimizer = AdamW::new(config.adamw, parameters.lengths());
        fs_err::create_dir_all(&config.output)?;
        let newest = checkpoint::list(&config.output)?.pop();
        let Some((done, dir)) = newest.filter(|_| config.resume) else {
            if !config.resume {
                refuse_other_run(&config.output, subject.weights_file())?;
            }
            let history = History::start(&config.output, Vec::new())?;
            let (meter, moved) = (Meter::default(), Moved::No);
            return Ok(Self { plan, optimizer, meter, history, done: 0, moved });
        };
        let saved = checkpoint::read_run_state(&dir)?;
        saved.check_settings(&config.settings, &dir)?;
        tensors::read_parameters(&dir.join(subject.weights_file()), parameters)?;
        checkpoint::read_optimizer(&dir, parameters, &mut optimizer)?;
        let history = History::start(&config.output, read_history(&dir)?)?;
        plan.seek(done);
        report(Event::Notice(&format!("resuming from {} (step {done})", dir.display())));
        Ok(Self { plan, optimizer, meter: saved.meter, history, done, moved: Moved::Checked })
    }

    fn step(
        &mut self,
        subject: &dyn Subject,
        train: &[Sample],
        config: &LoopConfig,
    ) -> Result<StepReport, TrainError> {
        let (window, epoch) = self.plan.next_window();
        let parameters = subject.parameters();
        let (mut gradients, loss) = self.gradients(subject, train, &window, config.memory)?;
        self.check_first_gradients(subject, &gradients)?;
        let grad_norm = clip_global_norm(&mut gradients.flat, config.max_grad_norm);
        if !grad_norm.is_finite() || !loss.is_finite() {
            return Err(diverged(self.done, loss, grad_norm));
        }
        let learning_rate = config.schedule.learning_rate(self.done);
        parameters.update(&mut self.optimizer, learning_rate, &gradients)?;
        if self.moved == Moved::No && learning_rate > 0.0 {
            self.moved = Moved::Once;
        }
        self.meter.step(loss);
        self.done += 1;
        Ok(StepReport { loss, grad_norm, learning_rate, epoch })
    }

    /// Gradients and loss of one window: the mean over all labels of all its micro-batches.
    fn gradients(
        &mut self,
        subject: &dyn Subject,
        train: &[Sample],
        window: &Window,
        memory: Memory,
    ) -> Result<(Gradients, f64), TrainError> {
        let labels: usize = window.iter().flatten().map(|&i| label_count(train[i].trained)).sum();
        let weight = 1.0 / labels.max(1) as f64;
        let mut gradients = Gradients::zeros(subject.parameters());
        let mut sum = BatchStats::default();
        for (index, examples) in window.iter().enumerate() {
            let place = Place::Training { step: self.done as u64, micro_batch: index as u64 };
            let adapter = subject.adapter(place);
            let wear = adapter.as_ref().map_or(Wear::Base, Wear::Training);
            let batch = PackedBatch::new(examples.iter().map(|&i| train[i]));
            let run = Run { decoder: subject.decoder(), wear, batch: &batch };
            let stats = run.backward(weight, memory, (subject.parameters(), &mut gradients))?;
            self.meter.micro_batch(&stats);
            sum.add(stats);
        }
        Ok((gradients, sum.loss * weight))
    }

    /// The first step must reach every tensor; the first after a real update, without exception.
    fn check_first_gradients(
        &mut self,
        subject: &dyn Subject,
        gradients: &Gradients,
    ) -> Result<(), TrainError> {
        let parameters = subject.parameters();
        match self.moved {
            Moved::No => {
                check_gradients(parameters, gradients, |name| subject.starts_without_gradient(name))
            }
            Moved::Once => {
                self.moved = Moved::Checked;
                check_gradients(parameters, gradients, |_| false)
            }
            Moved::Checked => Ok(()),
        }
    }

    fn log_evaluate_save(
        &mut self,
        subject: &dyn Subject,
        eval: &[Sample],
        (config, last): (&LoopConfig, &StepReport),
        report: Report,
    ) -> Result<(), TrainError> {
        let facts = &config.facts;
        let finished = self.done == facts.max_steps;
        if finished || self.done.is_multiple_of(facts.logging_steps) {
            let metrics = self.meter.take(last);
            self.log(metrics, report)?;
        }
        if !eval.is_empty() && (finished || due(self.done, facts.eval_steps)) {
            let mut metrics = evaluate(subject, eval, config.eval_batch)?.eval_metrics();
            metrics.insert("epoch".to_owned(), json!(last.epoch));
            self.log(metrics, report)?;
        }
        if due(self.done, facts.save_steps) {
            self.save(subject, config, last.epoch, report)?;
        }
        Ok(())
    }

    fn log(&mut self, mut metrics: Map<String, Value>, report: Report) -> Result<(), TrainError> {
        metrics.insert("step".to_owned(), json!(self.done));
        report(Event::Logged(&metrics));
        self.history.push(metrics)
    }

    fn save(
        &self,
        subject: &dyn Subject,
        config: &LoopConfig,
        epoch: f64,
        report: Report,
    ) -> Result<(), TrainError> {
        let dir = checkpoint::folder(&config.output, self.done);
        let run = RunState::new(self.done, self.meter.clone(), config.settings.clone());
        formats::whole::replace_dir(&dir, |dir| {
            subject.write(dir, Stage::Checkpoint)?;
            checkpoint::write_state(dir, subject.parameters(), &self.optimizer, &run)?;
            let at = (self.done, epoch, self.meter.num_tokens);
            self.history.write_trainer_state(dir, &config.facts, at)
        })?;
        report(Event::Saved(&dir));
        config.save_total_limit.map_or(Ok(()), |limit| checkpoint::rotate(&config.output, limit))
    }
}

/// Loss and statistics over held-out examples.
///
/// # Errors
/// When an example does not fit the model.
pub fn evaluate(
    subject: &dyn Subject,
    eval: &[Sample],
    size: BatchSize,
) -> Result<BatchStats, TrainError> {
    let adapter = subject.adapter(Place::Evaluation);
    let wear = adapter.as_ref().map_or(Wear::Base, Wear::Training);
    let lengths: Vec<usize> = eval.iter().map(|sample| sample.ids.len()).collect();
    let order: Vec<usize> = (0..eval.len()).collect();
    let mut sum = BatchStats::default();
    for examples in micro_batches(size, &order, &lengths) {
        let batch = PackedBatch::new(examples.into_iter().map(|i| eval[i]));
        sum.add(Run { decoder: subject.decoder(), wear, batch: &batch }.evaluate()?);
    }
    Ok(sum)
}

fn due(done: usize, every: Option<usize>) -> bool {
    every.is_some_and(|every| done.is_multiple_of(every))
}

fn diverged(done: usize, loss: f64, grad_norm: f64) -> TrainError {
    TrainError::Gradient(format!(
        "step {} diverged: loss {loss}, gradient norm {grad_norm}; lower learning_rate (the last \
         checkpoint is untouched)",
        done + 1
    ))
}

/// A folder that holds a result or checkpoints is another run's: it is gone on with or left alone.
fn refuse_other_run(output: &Path, weights: &str) -> Result<(), TrainError> {
    let found = match checkpoint::list(output)?.pop() {
        Some((step, _)) => format!("checkpoint-{step}"),
        None if output.join(weights).exists() => weights.to_owned(),
        None => return Ok(()),
    };
    Err(TrainError::Output {
        path: output.to_owned(),
        problem: format!(
            "holds {found} of an earlier run; go on with --resume, choose another --output, or \
             remove it"
        ),
    })
}
