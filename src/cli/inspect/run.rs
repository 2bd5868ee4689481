//! A training run or one of its checkpoints: how far it came, how the loss went, what it left.

use super::findings::Findings;
use super::{Kind, part};
use crate::train::checkpoint::{self, OPTIMIZER, RUN_STATE};
use crate::train::trainer_state::{METRICS, TRAINER_STATE};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Files of a checkpoint that a run needs to go on.
const RESUME: [&str; 2] = [OPTIMIZER, RUN_STATE];
/// Logs shown from the end of the loss curve.
const TAIL: usize = 5;

/// Whether a folder is a run or a checkpoint.
pub(super) fn is_run(dir: &Path) -> bool {
    [TRAINER_STATE, METRICS].iter().any(|name| dir.join(name).exists())
        || checkpoint::list(dir).is_ok_and(|found| !found.is_empty())
}

pub(super) fn inspect(dir: &Path, base: Option<&Path>) -> Findings {
    let is_checkpoint = dir.join(TRAINER_STATE).exists();
    let what = if is_checkpoint { "a training checkpoint" } else { "a training run" };
    let mut findings = Findings::new(what);
    if is_checkpoint {
        one_checkpoint(dir, &mut findings);
    } else {
        output(dir, &mut findings);
    }
    match Kind::of_contents(dir) {
        Some(kind) => {
            let found = part(kind, dir, base);
            findings.fact("holds", found.what);
            findings.absorb(found);
        }
        None if is_checkpoint => findings.problem("it holds neither an adapter nor a model"),
        None => findings.note("it holds no finished result yet"),
    }
    findings
}

/// One `checkpoint-N`.
fn one_checkpoint(dir: &Path, findings: &mut Findings) {
    let missing = RESUME.into_iter().filter(|name| !dir.join(name).exists());
    let missing: Vec<&str> = missing.collect();
    findings.fact("resumable", missing.is_empty());
    if !missing.is_empty() {
        findings.note(format!("a run cannot go on from it: {} is missing", missing.join(" and ")));
    }
    let Some(state) = findings.check(read_state(dir).map_err(|error| format!("{error:#}"))) else {
        return;
    };
    progress(&state, findings);
    match state.get("log_history").and_then(Value::as_array) {
        Some(logs) => losses(logs, findings),
        None => findings.problem(format!("{TRAINER_STATE} has no list `log_history`")),
    }
}

/// The folder that a run was told to write to.
fn output(dir: &Path, findings: &mut Findings) {
    let checkpoints = findings.check(checkpoint::list(dir)).unwrap_or_default();
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<String> = checkpoints.iter().map(|(_, path)| name(path)).collect();
    let shown = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    findings.fact_as("checkpoints", names, shown);
    for (step, path) in &checkpoints {
        match read_state(path) {
            Ok(state) if state.get("global_step").is_some_and(|said| *said == json!(step)) => {}
            Ok(state) => findings.problem(format!(
                "{} says that it was written after step {}",
                name(path),
                state.get("global_step").unwrap_or(&Value::Null)
            )),
            Err(error) => findings.problem(format!("{error:#}")),
        }
    }
    if let Some((_, last)) = checkpoints.last()
        && let Ok(state) = read_state(last)
    {
        progress(&state, findings);
    }
    let metrics = dir.join(METRICS);
    if metrics.exists()
        && let Some(logs) = findings.check(read_metrics(&metrics).map_err(|e| format!("{e:#}")))
    {
        losses(&logs, findings);
    }
}

fn progress(state: &Map<String, Value>, findings: &mut Findings) {
    let number = |name: &str| state.get(name).filter(|value| value.is_number()).cloned();
    let (step, max) = (number("global_step"), number("max_steps"));
    let Some(step) = step else {
        findings.problem(format!("{TRAINER_STATE} has no number `global_step`"));
        return;
    };
    let shown = max.as_ref().map_or_else(|| step.to_string(), |max| format!("{step} of {max}"));
    findings.fact_as("step", json!({"global_step": step, "max_steps": max}), shown);
    if let Some(epoch) = number("epoch") {
        findings.fact("epoch", epoch);
    }
}

/// First, best and last losses; a loss that is no number is wrong.
fn losses(logs: &[Value], findings: &mut Findings) {
    for name in ["loss", "eval_loss"] {
        let curve: Vec<(&Value, &Value)> =
            logs.iter().filter_map(|log| Some((&log["step"], log.get(name)?))).collect();
        if let Some((step, value)) = curve.iter().find(|(_, value)| !value.is_number()) {
            findings.problem(format!("`{name}` is {value} at step {step}; the run diverged there"));
        }
        let numbers: Vec<f64> = curve.iter().filter_map(|(_, value)| value.as_f64()).collect();
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { continue };
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let tail = curve.iter().rev().take(TAIL).rev();
        let tail: Vec<String> = tail
            .map(|(step, value)| format!("step {step}: {:.4}", value.as_f64().unwrap_or(f64::NAN)))
            .collect();
        let logs = numbers.len();
        let shown = format!(
            "{first:.4} -> {last:.4} over {logs} logs, least {least:.4}\n{}",
            tail.join("\n")
        );
        let value = json!({"first": first, "last": last, "least": least, "logs": logs});
        findings.fact_as(name, value, shown);
    }
}

fn read_state(dir: &Path) -> Result<Map<String, Value>> {
    let path = dir.join(TRAINER_STATE);
    let text = fs_err::read_to_string(&path)?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(state)) => Ok(state),
        Ok(_) => bail!("{}: expected a JSON object {{...}}", path.display()),
        Err(error) => bail!("{}: not valid JSON ({error})", path.display()),
    }
}

fn read_metrics(path: &Path) -> Result<Vec<Value>> {
    let text = fs_err::read_to_string(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let parse = |(index, line): (usize, &str)| {
        let number = index + 1;
        serde_json::from_str(line).with_context(|| format!("{}:{number}: not JSON", path.display()))
    };
    lines.map(parse).collect()
}
