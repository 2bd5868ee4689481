//! The program itself, killed and resumed: every byte must come out as if nothing had happened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use wardrobe::datasets::countdown::{Mixture, Split, generate};

/// Nothing here takes longer on a machine that is not stuck.
const PATIENCE: Duration = Duration::from_secs(300);
/// Steps of a run; a checkpoint each fourth one.
const STEPS: usize = 48;

fn wardrobe(args: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardrobe"));
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).env("RAYON_NUM_THREADS", "2");
    command
}

fn finished(args: &[String]) -> Output {
    let output = wardrobe(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?} failed: {stderr}");
    output
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn data(dir: &Path) -> PathBuf {
    let path = dir.join("data.jsonl");
    let records = generate(Mixture::Pretrain, Split::Train, 30, 5);
    let text: String = records.map(|record| format!("{record}\n")).collect();
    fs_err::write(&path, text).unwrap();
    path
}

fn pretrain_args(dir: &Path, output: &str) -> Vec<String> {
    let (data, output) = (data(dir), dir.join(output));
    words(&format!(
        "train pretrain --data {} --output {} --hidden-size 16 --num-hidden-layers 2 \
         --num-attention-heads 2 --num-key-value-heads 1 --head-dim 8 --intermediate-size 24 \
         --vocab-size 300 --max-length 64 --batch-size 2 --gradient-accumulation-steps 2 \
         --max-steps {STEPS} --warmup-steps 4 --logging-steps 3 --save-steps 4 \
         --save-total-limit 3 --eval-fraction 0.1 --eval-steps 16",
        data.display(),
        output.display()
    ))
}

fn sft_args(dir: &Path, base: &Path, output: &str) -> Vec<String> {
    let (data, output) = (data(dir), dir.join(output));
    words(&format!(
        "train sft --model {} --data {} --output {} --lora-r 4 --lora-dropout 0.2 --max-length 96 \
         --batch-size 2 --gradient-accumulation-steps 2 --max-steps {STEPS} --learning-rate 1e-2 \
         --logging-steps 3 --save-steps 4 --save-total-limit 3 --eval-fraction 0.1 --eval-steps 16",
        base.display(),
        data.display(),
        output.display()
    ))
}

/// Starts the run and kills it as soon as a checkpoint of step `at` or later is there.
fn killed_at(args: &[String], output: &Path, at: usize) {
    let mut child = wardrobe(args).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while newest_checkpoint(output) < at {
        assert!(started.elapsed() < PATIENCE, "no checkpoint of step {at} in time");
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be killed");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success(), "the run ended before it was killed");
}

fn newest_checkpoint(output: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(output) else { return 0 };
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_prefix("checkpoint-")?.parse().ok()).max().unwrap_or(0)
}

/// Every file below `dir`, hidden ones too, by its path, but the one that records the output
/// folder's name.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut dirs) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(next) = dirs.pop() {
        for entry in fs_err::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.file_name().unwrap() != "run_state.json" {
                let name = path.strip_prefix(dir).unwrap().to_owned();
                found.insert(name, fs_err::read(&path).unwrap());
            }
        }
    }
    found
}

fn assert_same_files(found: &Path, expected: &Path, weights: &str) {
    let (found, expected) = (files(found), files(expected));
    assert!(expected.contains_key(Path::new(weights)));
    assert!(expected.contains_key(&Path::new("checkpoint-48").join("optimizer.safetensors")));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (name, bytes) in &found {
        assert!(bytes == &expected[name], "{} differs", name.display());
    }
}

fn killed_thrice_then_finished(args: &[String], output: &Path) {
    killed_at(args, output, 4);
    let resumed = [args, &["--resume".to_owned()]].concat();
    killed_at(&resumed, output, 12);
    killed_at(&resumed, output, 24);
    finished(&resumed);
}

#[test]
fn a_killed_run_resumes_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    finished(&pretrain_args(dir.path(), "base"));
    killed_thrice_then_finished(&pretrain_args(dir.path(), "base-killed"), &at("base-killed"));
    assert_same_files(&at("base-killed"), &at("base"), "model.safetensors");

    let fresh = [sft_args(dir.path(), &at("base"), "sft"), words("--resume")].concat();
    let notes = String::from_utf8(finished(&fresh).stderr).unwrap();
    assert!(notes.contains("holds no checkpoint yet: starting anew"), "{notes}");
    let (example, first) = (notes.find('⟦').unwrap(), notes.find("step 3:").unwrap());
    assert!(example < first, "the first example and its mask are not shown first: {notes}");
    let killed = sft_args(dir.path(), &at("base"), "sft-killed");
    killed_thrice_then_finished(&killed, &at("sft-killed"));
    assert_same_files(&at("sft-killed"), &at("sft"), "adapter_model.safetensors");

    let stopped = sft_args(dir.path(), &at("base"), "sft-stopped");
    let resumed = [stopped.clone(), words("--resume")].concat();
    let twice = || {
        let output = at("sft-stopped");
        let _from_before = fs_err::remove_dir_all(&output);
        stopped_by(&stopped, &output, ("-INT", 130))
            && stopped_by(&resumed, &output, ("-TERM", 143))
    };
    assert!((0..10).any(|_| twice()), "the run always came too near to its end");
    finished(&resumed);
    assert_same_files(&at("sft-stopped"), &at("sft"), "adapter_model.safetensors");

    refuses_to_mix_runs(dir.path(), &at("base"));
}

/// Starts the run and asks it to end once it has made a checkpoint of its own; whether that came early
/// enough for the last checkpoints to be those of a run that was left alone.
fn stopped_by(args: &[String], output: &Path, (signal, status): (&str, i32)) -> bool {
    let before = newest_checkpoint(output);
    let child = wardrobe(args).spawn().unwrap();
    let started = Instant::now();
    while newest_checkpoint(output) <= before {
        assert!(started.elapsed() < PATIENCE, "no checkpoint in time");
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    // It may be gone by now.
    let _sent = Command::new("kill").args([signal, &pid]).output().unwrap();
    let ended = child.wait_with_output().unwrap();
    let (stderr, step) = (String::from_utf8(ended.stderr).unwrap(), newest_checkpoint(output));
    if step > STEPS - 12 {
        return false;
    }
    assert_eq!(ended.status.code(), Some(status), "{stderr}");
    let said = format!("stopped after step {step} of {STEPS}; --resume goes on from there");
    assert!(stderr.contains(&said), "{stderr}");
    true
}

/// A folder of another run is not overwritten, and a run is not resumed under other settings.
fn refuses_to_mix_runs(dir: &Path, base: &Path) {
    let refused = |extra: &[&str]| {
        let mut args = sft_args(dir, base, "sft");
        args.extend(extra.iter().map(|&word| word.to_owned()));
        let output = wardrobe(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&[]).contains("--resume"));
    let other = refused(&["--resume", "--weight-decay", "0.5"]);
    assert!(other.contains("`weight_decay` was 0.0 when the run began and is 0.5 now"), "{other}");
}
