//! Makes a folder of made-up preferences, or of a judge's verdicts, and its report: for looking at, and for
//! the browser test. Nothing in it was generated or judged by a model.
//!
//!     cargo run --release -p eval --example made_up_pairs -- DIR preference|judge

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use eval::{Arm, JudgeRecord, Measure, ProblemLine, Run, Sample, Sampling, Status, Usage, report};
use rewards::Grade;
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PROBLEMS: usize = 40;

const ARMS: [&str; 3] = ["initial", "sft", "dpo"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (dir, judge) = match arguments[..] {
        [dir, "preference"] => (Path::new(dir), false),
        [dir, "judge"] => (Path::new(dir), true),
        _ => return Err("expected: DIR preference, or DIR judge".into()),
    };
    fs_err::create_dir_all(dir)?;
    fs_err::write(dir.join("run.json"), serde_json::to_vec_pretty(&run(judge))?)?;
    fs_err::write(dir.join("problems.jsonl"), lines((0..PROBLEMS).map(problem))?)?;
    let all = (0..PROBLEMS).flat_map(|problem| (0..ARMS.len()).map(move |arm| (problem, arm)));
    let samples = all.map(|(problem, arm)| sample(problem, arm, judge));
    fs_err::write(dir.join("samples.jsonl"), lines(samples)?)?;
    report::write(dir, report::Options::default())?;
    Ok(())
}

fn lines<T: serde::Serialize>(items: impl Iterator<Item = T>) -> Result<String> {
    let each = items.map(|item| Ok(serde_json::to_string(&item)? + "\n"));
    each.collect()
}

fn run(judge: bool) -> Run {
    let arm = |label: &str| Arm {
        label: label.to_owned(),
        model: label.to_owned(),
        generation: None,
        base_generation: None,
    };
    let record = JudgeRecord {
        model: "judge".to_owned(),
        server: "http://127.0.0.1:8081".to_owned(),
        template_digest: None,
    };
    Run {
        suite: if judge { "ultrafeedback-judge" } else { "ultrafeedback" }.to_owned(),
        suite_digest: "made up".to_owned(),
        data: "made-up pairs".to_owned(),
        data_digest: "made up".to_owned(),
        prompt: "chat".to_owned(),
        arms: ARMS.map(arm).to_vec(),
        reference: ARMS[0].to_owned(),
        sampling: Sampling {
            samples: 1,
            temperature: 0.6,
            top_p: 0.95,
            top_k: None,
            max_tokens: 1024,
            seed: 0,
        },
        given: false,
        not_sent: Vec::new(),
        measures: measures(judge),
        k: Vec::new(),
        groups: Vec::new(),
        server: "http://127.0.0.1:8080".to_owned(),
        protections: Value::Null,
        judge: judge.then_some(record),
        version: "0.1.0".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        shard: None,
    }
}

fn measures(judge: bool) -> Vec<Measure> {
    match judge {
        true => vec![
            Measure::preference("score", "Win rate, a tie being half a win"),
            Measure::score("longer_by", "Characters more than the rival's"),
        ],
        false => vec![
            Measure::preference("sum", "Prefers the better answer, less the reference"),
            Measure::preference("policy_sum", "Prefers the better answer by itself"),
        ],
    }
}

fn problem(number: usize) -> ProblemLine {
    let question = format!("Which number comes after {number}?");
    ProblemLine {
        id: format!("pair_{number:02}"),
        digest: String::new(),
        groups: BTreeMap::new(),
        date: None,
        prompt: json!([{"role": "user", "content": question}]),
        reference: json!({"chosen": number + 1, "rejected": number + 2}),
    }
}

fn sample(problem: usize, arm: usize, judge: bool) -> Sample {
    let preferred = match problem * (arm + 3) % 7 {
        0..4 => 1.0,
        4 => 0.5,
        _ => 0.0,
    };
    let verdict = match (arm, preferred) {
        (0, _) => "reference",
        (_, 1.0) => "win",
        (_, 0.5) => "tie",
        _ => "loss",
    };
    let own = if judge { ("longer_by", problem as f64 - 20.0) } else { ("policy_sum", 1.0) };
    let mut measures = BTreeMap::from([(own.0.to_owned(), own.1)]);
    if arm > 0 {
        let headline = if judge { "score" } else { "sum" };
        measures.insert(headline.to_owned(), preferred);
    }
    Sample {
        key: format!("{problem:032x}{arm:032x}"),
        problem: format!("pair_{problem:02}"),
        arm: ARMS[arm].to_owned(),
        index: 0,
        seed: 0,
        status: Status::Graded {
            completion: "One more than that.".to_owned(),
            finish: if judge { "stop" } else { "scored" }.to_owned(),
            usage: Usage::default(),
            grade: Grade { measures, verdict: verdict.to_owned(), ..Grade::default() },
        },
    }
}
