//! `wardrobe bench`, run as a user runs it on a model that it makes itself: every figure is there and
//! plausible. How large the figures are is no test's business.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

fn bench(dir: &Path, args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_wardrobe");
    Command::new(program).arg("bench").args(args).current_dir(dir).output().unwrap()
}

fn report(dir: &Path, args: &[&str]) -> Value {
    let out = bench(dir, &[args, &["--model", "model", "--runs", "2", "--json"]].concat());
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn tiny() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let made = bench(dir.path(), &["model", "--shape", "tiny", "--output", "model"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    dir
}

/// The named figures are positive, in order, and of as many measurements as were asked for.
fn check(report: &Value, names: &[&str], n: usize) {
    assert!(report["machine"]["memory_read_gb_per_s"].as_f64().unwrap() > 0.0);
    let figures = report["figures"].as_object().unwrap();
    assert_eq!(figures.keys().collect::<Vec<_>>(), names);
    for (name, figure) in figures {
        let [min, median, max] = ["min", "median", "max"].map(|key| figure[key].as_f64().unwrap());
        assert!(0.0 < min && min <= median && median <= max, "{name}: {figure}");
        assert_eq!(figure["n"], n, "{name}");
    }
}

#[test]
fn every_figure_is_reported() {
    let dir = tiny();
    let lengths = ["--prompt", "20", "--generate", "6"];
    let decode = report(dir.path(), &[&["decode"], &lengths[..]].concat());
    check(&decode, &["decode", "prefill", "time_to_first_token"], 2);
    let batch = report(dir.path(), &[&["batch", "--adapters", "3"], &lengths[..]].concat());
    let decodes = ["base_decode", "adapters_f32_decode", "adapters_bf16_decode"];
    check(&batch, &[&decodes[..], &["f32_time_over_base", "bf16_time_over_base"]].concat(), 2);
    let load = report(dir.path(), &["load", "--rank", "4"]);
    check(&load, &["load", "first_token", "load_to_first_token"], 2);
    let memory = report(dir.path(), &[&["memory"], &lengths[..]].concat());
    assert_eq!(memory["figures"]["weights"]["median"], 0.23872);
    let names = ["weights", "kv_used", "resident_after_load", "resident_in_use", "peak"];
    check(&memory, &[&names[..], &["resident_over_needed"]].concat(), 1);
}

#[test]
fn what_cannot_be_measured_is_said() {
    let dir = tiny();
    let refused = |args: &[&str], status: i32, words: &str| {
        let out = bench(dir.path(), args);
        let stderr = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(status), "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{args:?}: {stderr}");
    };
    refused(&["model", "--shape", "tiny", "--output", "model"], 1, "exists already");
    refused(&["model", "--shape", "huge", "--output", "other"], 2, "qwen2.5-0.5b");
    refused(&["decode", "--model", "nowhere"], 1, "nowhere");
    refused(&["decode", "--model", "model", "--prompt", "0"], 2, "from 1 to 4096");
    refused(&["batch", "--model", "model", "--rank", "0"], 2, "--rank");
    refused(&["load", "--model", "model", "--rank", "0"], 2, "--rank");
    let long = ["decode", "--model", "model", "--prompt", "4000", "--generate", "1000"];
    refused(&long, 2, "ask for fewer");
    let absent = ["peer", "--model", "model", "--peer-python", "no-such-python"];
    refused(&absent, 1, "no-such-python");
}
