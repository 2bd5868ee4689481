//! `OUTPUT/checkpoint-N/`: everything that a run needs to go on to the same bytes.
//!
//! * the weights being trained, f32, in the layout of the finished result;
//! * `optimizer.safetensors`: both moments of every parameter;
//! * `trainer_state.json`: the HF Trainer's layout, with the log history;
//! * `run_state.json`: position, running means and the settings of the run.
//!
//! Random numbers and the order of the data follow from (seed, step), so neither needs a file.
//! The folder is built aside and renamed: it is there whole or not at all.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use formats::{Dtype, NamedTensor, SafetensorsFile, whole, write_safetensors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::adamw::{AdamW, Moments};
use super::error::TrainError;
use super::metrics::Meter;
use super::parameters::Parameters;
use super::tensors;

/// The optimizer's memory: the file name in a checkpoint folder.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// Where a run stands, and its settings: the file name in a checkpoint folder.
pub const RUN_STATE: &str = "run_state.json";
const VERSION: u32 = 1;
/// How the hidden names of checkpoints that are being removed end.
const REMOVED: &str = ".removed";

/// Settings that a resumed run may change, since they do not touch the numbers.
const FREE_SETTINGS: [&str; 7] = [
    "resume",
    "output",
    "logging_steps",
    "eval_steps",
    "save_steps",
    "save_total_limit",
    "gradient_checkpointing",
];

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    version: u32,
    /// Finished optimizer steps.
    pub global_step: usize,
    /// Running means and the token count.
    pub meter: Meter,
    /// The resolved settings, and digests of what was read.
    pub settings: Map<String, Value>,
}

impl RunState {
    /// The state after `global_step` steps.
    pub fn new(global_step: usize, meter: Meter, settings: Map<String, Value>) -> Self {
        Self { version: VERSION, global_step, meter, settings }
    }

    /// Refuses to go on under other settings than the run began with.
    ///
    /// # Errors
    /// Names the first setting that differs, with both values.
    pub fn check_settings(&self, now: &Map<String, Value>, path: &Path) -> Result<(), TrainError> {
        let names = self.settings.keys().chain(now.keys());
        let differs = |name: &&String| {
            !FREE_SETTINGS.contains(&name.as_str()) && self.settings.get(*name) != now.get(*name)
        };
        let Some(name) = names.into_iter().find(differs) else { return Ok(()) };
        let shown = |settings: &Map<String, Value>| {
            settings.get(name).map_or_else(|| "not set".to_owned(), Value::to_string)
        };
        Err(TrainError::Resume {
            path: path.to_owned(),
            problem: format!(
                "`{name}` was {} when the run began and is {} now; give the same settings and \
                 data, or begin a new run in another output folder",
                shown(&self.settings),
                shown(now)
            ),
        })
    }
}

/// The folder of the checkpoint after `step` steps.
pub fn folder(output: &Path, step: usize) -> PathBuf {
    output.join(format!("checkpoint-{step}"))
}

/// Every checkpoint below `output` with its step, ascending.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(output: &Path) -> Result<Vec<(usize, PathBuf)>, TrainError> {
    if !output.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs_err::read_dir(output)? {
        let path = entry?.path();
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let step = name.strip_prefix("checkpoint-").and_then(|n| n.parse().ok());
        found.extend(step.filter(|_| path.is_dir()).map(|step: usize| (step, path)));
    }
    found.sort_unstable();
    Ok(found)
}

/// Adds to a checkpoint folder what the optimizer and the run remember.
///
/// # Errors
/// When a file cannot be written.
pub fn write_state(
    dir: &Path,
    parameters: &Parameters,
    optimizer: &AdamW,
    run: &RunState,
) -> Result<(), TrainError> {
    let mut tensors: Vec<NamedTensor> = Vec::with_capacity(2 * parameters.len());
    for (parameter, moments) in parameters.iter().zip(&optimizer.moments) {
        for (kind, values) in [("exp_avg", &moments.exp_avg), ("exp_avg_sq", &moments.exp_avg_sq)] {
            let name = format!("{kind}.{}", parameter.name);
            let bytes = tensors::bytes(values, Dtype::F32)?;
            let shape = parameter.var.dims().to_vec();
            tensors.push((name, Dtype::F32, shape, Cow::Owned(bytes)));
        }
    }
    let metadata = BTreeMap::from([("step".to_owned(), optimizer.steps.to_string())]);
    write_safetensors(&dir.join(OPTIMIZER), &tensors, &metadata)?;
    write_json(&dir.join(RUN_STATE), run)
}

/// Reads the position of a run.
///
/// # Errors
/// When the file is missing or is not one of ours.
pub fn read_run_state(dir: &Path) -> Result<RunState, TrainError> {
    let path = dir.join(RUN_STATE);
    let refuse = |problem: String| TrainError::Resume { path: dir.to_owned(), problem };
    let text = fs_err::read_to_string(&path).map_err(|e| refuse(e.to_string()))?;
    let state: RunState = serde_json::from_str(&text)
        .map_err(|e| refuse(format!("{RUN_STATE} is not a run state of this program ({e})")))?;
    if state.version != VERSION {
        let found = state.version;
        return Err(refuse(format!("its version is {found}, expected {VERSION}")));
    }
    Ok(state)
}

/// Puts the optimizer's memory back.
///
/// # Errors
/// When a tensor is missing or has another shape than its parameter.
pub fn read_optimizer(
    dir: &Path,
    parameters: &Parameters,
    optimizer: &mut AdamW,
) -> Result<(), TrainError> {
    let file = SafetensorsFile::open(&dir.join(OPTIMIZER))?;
    let steps = file.metadata().get("step").and_then(|s| s.parse().ok());
    optimizer.steps = steps.ok_or_else(|| TrainError::Resume {
        path: dir.to_owned(),
        problem: format!("{OPTIMIZER} does not say how many steps were taken"),
    })?;
    for (parameter, moments) in parameters.iter().zip(&mut optimizer.moments) {
        let read = |kind: &str| -> Result<Vec<f32>, TrainError> {
            let name = format!("{kind}.{}", parameter.name);
            Ok(file.require(&name, parameter.var.dims())?.to_f32()?)
        };
        *moments = Moments { exp_avg: read("exp_avg")?, exp_avg_sq: read("exp_avg_sq")? };
    }
    Ok(())
}

/// Removes the oldest checkpoints until at most `limit` are left. Each is renamed out of sight
/// first, so that a half-removed folder is never taken for a checkpoint.
///
/// # Errors
/// When a folder cannot be removed.
pub fn rotate(output: &Path, limit: usize) -> Result<(), TrainError> {
    let found = list(output)?;
    let surplus = found.len().saturating_sub(limit.max(1));
    for (step, path) in &found[..surplus] {
        let doomed = output.join(format!(".checkpoint-{step}{REMOVED}"));
        if doomed.exists() {
            fs_err::remove_dir_all(&doomed)?;
        }
        fs_err::rename(path, &doomed)?;
        fs_err::remove_dir_all(&doomed)?;
    }
    Ok(())
}

/// Removes what killed runs left in `output`: unfinished drafts, and checkpoints that were on their
/// way out.
///
/// # Errors
/// When the folder cannot be read or something not be removed.
pub fn clear_leftovers(output: &Path) -> Result<(), TrainError> {
    whole::clear_drafts(output)?;
    for entry in fs_err::read_dir(output)? {
        let entry = entry?;
        let name = entry.file_name();
        let bytes = name.as_encoded_bytes();
        if bytes.starts_with(b".checkpoint-") && bytes.ends_with(REMOVED.as_bytes()) {
            fs_err::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a value as indented JSON, whole.
///
/// # Errors
/// When the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TrainError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(std::io::Error::from)?;
    text.push(b'\n');
    Ok(whole::write_file(path, &text)?)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::super::adamw::{AdamWConfig, Update};
    use super::*;

    fn run_state(seed: u64) -> RunState {
        let settings = serde_json::json!({"seed": seed, "logging_steps": 10});
        RunState::new(7, Meter::default(), settings.as_object().unwrap().clone())
    }

    #[test]
    fn optimizer_and_position_come_back_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let var = Var::from_vec(vec![1.0f32, -2.0], (2, 1), &Device::Cpu).unwrap();
        let parameters = Parameters::new([("x.weight".to_owned(), var)]);
        let config = AdamWConfig { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weight_decay: 0.1 };
        let mut optimizer = AdamW::new(config, parameters.lengths());
        let (mut param, grad) = (vec![1.0, -2.0], vec![0.1, 1e-30]);
        optimizer.step(0.1, &mut [Update { param: &mut param, grad: &grad, decay: true }]);
        write_state(dir.path(), &parameters, &optimizer, &run_state(1)).unwrap();
        let mut read = AdamW::new(config, parameters.lengths());
        read_optimizer(dir.path(), &parameters, &mut read).unwrap();
        assert_eq!(read, optimizer);
        assert_eq!(read_run_state(dir.path()).unwrap(), run_state(1));
    }

    #[test]
    fn other_settings_are_refused_unless_they_do_not_touch_the_numbers() {
        let mut now = run_state(1).settings;
        now.insert("logging_steps".to_owned(), 3.into());
        assert!(run_state(1).check_settings(&now, Path::new("c")).is_ok());
        let error = run_state(2).check_settings(&now, Path::new("c")).unwrap_err().to_string();
        assert!(error.contains("`seed` was 2 when the run began and is 1 now"), "{error}");
    }

    #[test]
    fn the_oldest_checkpoints_go_first_and_by_number() {
        let dir = tempfile::tempdir().unwrap();
        for step in [2, 10, 9] {
            fs_err::create_dir(folder(dir.path(), step)).unwrap();
        }
        fs_err::write(dir.path().join("checkpoint-77"), "a file").unwrap();
        fs_err::create_dir(dir.path().join("checkpoint-x")).unwrap();
        rotate(dir.path(), 2).unwrap();
        let steps: Vec<usize> = list(dir.path()).unwrap().into_iter().map(|(n, _)| n).collect();
        assert_eq!(steps, [9, 10]);
    }

    #[test]
    fn what_killed_runs_left_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in [".checkpoint-4.12-aBcDeF.draft", ".checkpoint-2.removed", "checkpoint-4"] {
            fs_err::create_dir(at(folder)).unwrap();
            fs_err::write(at(folder).join("x"), "x").unwrap();
        }
        for file in [".metrics.jsonl.12-aBcDeF.draft", ".notes", "metrics.jsonl"] {
            fs_err::write(at(file), "x").unwrap();
        }
        clear_leftovers(dir.path()).unwrap();
        let names = fs_err::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, [".notes", "checkpoint-4", "metrics.jsonl"]);
    }

    #[test]
    fn a_damaged_run_state_is_one_sentence() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join(RUN_STATE), "{").unwrap();
        let error = read_run_state(dir.path()).unwrap_err().to_string();
        assert!(error.contains("not a run state of this program"), "{error}");
    }
}
