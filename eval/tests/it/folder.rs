//! Folders of evaluations for tests, made from verdicts.

use std::collections::BTreeMap;
use std::path::Path;

use eval::{Arm, Measure, MeasureKind, ProblemLine, Run, Sample, Sampling, Status, Usage};
use rewards::Grade;
use serde::Serialize;

/// A run of `arms`, the first of them the reference, with the verdicts `strict` and `lenient` and the
/// score `points`.
pub(crate) fn run(arms: &[&str], samples: usize, k: &[usize]) -> Run {
    let arm = |label: &&str| Arm {
        label: (*label).into(),
        model: (*label).into(),
        generation: None,
        base_generation: None,
    };
    let measure = |name: &str, title: &str, kind| Measure {
        name: name.into(),
        title: title.into(),
        kind,
        beside: None,
    };
    Run {
        suite: "sums".into(),
        suite_digest: "s".into(),
        data: "sums.jsonl".into(),
        data_digest: "d".into(),
        prompt: "chat".to_owned(),
        arms: arms.iter().map(arm).collect(),
        reference: arms[0].into(),
        sampling: Sampling {
            samples,
            temperature: 0.6,
            top_p: 0.95,
            top_k: None,
            max_tokens: 256,
            seed: 1,
        },
        given: false,
        not_sent: Vec::new(),
        measures: vec![
            measure("strict", "Solved", MeasureKind::Verdict),
            measure("lenient", "Solved, leniently", MeasureKind::Verdict).beside("strict"),
            measure("points", "Points", MeasureKind::Score),
        ],
        k: k.to_vec(),
        groups: vec!["difficulty".into()],
        server: "http://127.0.0.1:8080".into(),
        protections: serde_json::Value::Null,
        judge: None,
        version: "0.1.0".into(),
        started: "2026-01-01T00:00:00Z".into(),
        shard: None,
    }
}

/// A problem.
pub(crate) fn problem(id: &str, difficulty: &str) -> ProblemLine {
    ProblemLine {
        id: id.into(),
        digest: String::new(),
        date: None,
        groups: BTreeMap::from([("difficulty".into(), difficulty.into())]),
        prompt: format!("Solve {id}.").into(),
        reference: "42".into(),
    }
}

/// A graded sample that passes `strict` or not; `lenient` passes always.
pub(crate) fn graded(problem: &str, arm: &str, index: usize, passes: bool) -> Sample {
    let value = f64::from(u8::from(passes));
    let measures = [("strict", value), ("lenient", 1.0), ("points", value + index as f64)];
    let grade = Grade {
        measures: measures.map(|(name, value)| (name.to_owned(), value)).into(),
        verdict: if passes { "correct" } else { "wrong value" }.into(),
        ..Grade::default()
    };
    let usage = Usage {
        prompt_tokens: Some(10),
        completion_tokens: Some(20 + index as u32),
        seconds: Some(0.5),
    };
    let status =
        Status::Graded { completion: "the answer".into(), finish: "stop".into(), usage, grade };
    sample(problem, arm, index, status)
}

/// A sample that the server failed on.
pub(crate) fn failed(problem: &str, arm: &str, index: usize) -> Sample {
    sample(problem, arm, index, Status::Failed { reason: "the server is gone".into() })
}

/// A sample.
pub(crate) fn sample(problem: &str, arm: &str, index: usize, status: Status) -> Sample {
    let key = format!("{problem}/{arm}/{index}");
    Sample { key, problem: problem.into(), arm: arm.into(), index, seed: 0, status }
}

/// Writes the three files.
pub(crate) fn write(dir: &Path, run: &Run, problems: &[ProblemLine], samples: &[Sample]) {
    std::fs::write(dir.join("run.json"), serde_json::to_vec_pretty(run).unwrap()).unwrap();
    std::fs::write(dir.join("problems.jsonl"), lines(problems)).unwrap();
    std::fs::write(dir.join("samples.jsonl"), lines(samples)).unwrap();
}

/// One JSON a line.
pub(crate) fn lines<T: Serialize>(items: &[T]) -> String {
    items.iter().map(|item| serde_json::to_string(item).unwrap() + "\n").collect()
}
