//! The loop that every recipe shares: window, gradients, clip, step, log, evaluate, save.
//!
//! Knows nothing of adapters or file layouts: what is trained is behind [`Subject`].

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::adamw::{AdamW, AdamWConfig};
use super::backward::Memory;
use super::batch::Sample;
use super::checkpoint::{self, RunState};
use super::clip::clip_global_norm;
use super::error::TrainError;
use super::events::{Event, Progress, Report};
use super::metrics::{Meter, StepReport};
use super::parameters::Gradients;
use super::plan::{BatchSize, Plan};
use super::preflight::check_gradients;
use super::schedule::Schedule;
use super::stop::Stop;
use super::subject::{Stage, Subject};
use super::tensors;
use super::trainer_state::{History, RunFacts, read_history};
use super::window::{self, WindowOutcome, evaluate};
use super::workers::Workers;

/// Settings of the loop.
#[derive(Debug, Clone)]
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
    /// Ends the run after the step it is at, with a checkpoint of that step.
    pub stop: Stop,
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
/// When the output belongs to another run, a gradient is missing or not finite, a file cannot be
/// written, or the run was asked to stop.
pub fn run(
    subject: &dyn Subject,
    (train, eval): (&[Sample], &[Sample]),
    plan: Plan,
    config: &LoopConfig,
    report: Report,
) -> Result<Summary, TrainError> {
    check_schedule(config, report)?;
    config.stop.begin();
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
        if config.stop.is_asked() && state.done < total {
            return Err(state.stopped(subject, config, last.epoch, report)?);
        }
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

/// Refuses a run that would learn nothing; tells of one that never gets beyond its warm-up.
fn check_schedule(config: &LoopConfig, report: Report) -> Result<(), TrainError> {
    let steps = config.facts.max_steps;
    let advice = "lower warmup_steps (0 for none) or train for more steps";
    if !config.schedule.trains() {
        return Err(TrainError::Setting(format!(
            "warm-up takes all of the run's steps ({steps}) and begins at a learning rate of 0, so \
             nothing would be learned; {advice}"
        )));
    }
    if config.schedule.ends_in_warmup() {
        report(Event::Notice(&format!(
            "warm-up takes all {steps} steps: the learning rate never reaches its peak; {advice}"
        )));
    }
    Ok(())
}

/// Everything that changes while a run runs.
struct State {
    plan: Plan,
    workers: Workers,
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
        // What is kept for the way back must fit once for each worker; a model that needs
        // recomputation is large enough to keep all threads busy with one micro-batch.
        let workers = match config.memory {
            Memory::Keep => Workers::share(plan.accumulation())?,
            Memory::Recompute => Workers::none(),
        };
        fs_err::create_dir_all(&config.output)?;
        checkpoint::clear_leftovers(&config.output)?;
        let newest = checkpoint::list(&config.output)?.pop();
        let Some((done, dir)) = newest.filter(|_| config.resume) else {
            if config.resume {
                let output = config.output.display();
                report(Event::Notice(&format!("{output} holds no checkpoint yet: starting anew")));
            }
            let history = History::start(&config.output, Vec::new())?;
            let (meter, moved) = (Meter::default(), Moved::No);
            return Ok(Self { plan, workers, optimizer, meter, history, done: 0, moved });
        };
        let saved = checkpoint::read_run_state(&dir)?;
        saved.check_settings(&config.settings, &dir)?;
        tensors::read_parameters(&dir.join(subject.weights_file()), parameters)?;
        checkpoint::read_optimizer(&dir, parameters, &mut optimizer)?;
        let history = History::start(&config.output, read_history(&dir)?)?;
        plan.seek(done);
        report(Event::Notice(&format!("resuming from {} (step {done})", dir.display())));
        Ok(Self {
            plan,
            workers,
            optimizer,
            meter: saved.meter,
            history,
            done,
            moved: Moved::Checked,
        })
    }

    fn step(
        &mut self,
        subject: &dyn Subject,
        train: &[Sample],
        config: &LoopConfig,
    ) -> Result<StepReport, TrainError> {
        let (window, epoch) = self.plan.next_window();
        let parameters = subject.parameters();
        let at = (&window, self.done as u64);
        let how = (&self.workers, config.memory);
        let WindowOutcome { mut gradients, loss, stats } =
            window::backward(subject, train, at, how)?;
        stats.iter().for_each(|seen| self.meter.micro_batch(seen));
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

    /// Keeps what was trained, for a run that is asked to end before its time.
    fn stopped(
        &self,
        subject: &dyn Subject,
        config: &LoopConfig,
        epoch: f64,
        report: Report,
    ) -> Result<TrainError, TrainError> {
        let (done, facts) = (self.done, &config.facts);
        if !due(done, facts.save_steps) {
            self.save(subject, config, epoch, report)?;
        }
        Ok(TrainError::Stopped { done, total: facts.max_steps })
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
