//! The reports of preferences and of judges, whole: rates of two answers are rates, held against a coin,
//! and the reference arm has no number of what others are compared with it by.

use eval::report::{Options, write};
use eval::{JudgeRecord, Measure, ProblemLine, Run, Sample, Status, Usage};
use rewards::Grade;
use serde_json::json;
use tempfile::TempDir;

use crate::folder;

/// A graded sample of these measures; nothing is written where answers are given ones.
fn graded(problem: usize, arm: &str, verdict: &str, measures: &[(&str, f64)]) -> Sample {
    let grade = Grade {
        measures: measures.iter().map(|&(name, value)| (name.to_owned(), value)).collect(),
        verdict: verdict.to_owned(),
        ..Grade::default()
    };
    let end =
        if measures.iter().any(|(name, _)| *name == "policy_sum") { "scored" } else { "stop" };
    let usage = Usage { prompt_tokens: Some(30), completion_tokens: Some(12), seconds: Some(0.25) };
    let status =
        Status::Graded { completion: "some words".into(), finish: end.into(), usage, grade };
    folder::sample(&format!("p{problem}"), arm, 0, status)
}

fn problems() -> Vec<ProblemLine> {
    (0..15).map(|id| folder::problem(&format!("p{id}"), "easy")).collect()
}

/// A run of `initial`, the reference, and `sft` over fifteen problems.
fn run(suite: &str, measures: Vec<Measure>) -> Run {
    let run = folder::run(&["initial", "sft"], 1, &[]);
    Run { suite: suite.to_owned(), measures, groups: Vec::new(), ..run }
}

/// The report in Markdown, on a terminal, and as a page.
fn reports(run: &Run, samples: &[Sample]) -> [String; 3] {
    let dir = TempDir::new().unwrap();
    folder::write(dir.path(), run, &problems(), samples);
    let results = write(dir.path(), Options::default()).unwrap();
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    [read("report.md"), results.terminal(), read("report.html")]
}

/// `found` is the golden text, but for the paragraph on the method.
fn same(found: &str, golden: &str) {
    let found = found.split("## Method").next().unwrap();
    assert!(found == golden, "expected\n{golden}\nfound\n{found}");
}

#[test]
fn a_report_of_preferences_is_one_of_rates() {
    let run = run(
        "ultrafeedback",
        vec![
            Measure::preference(
                "sum",
                "Prefers the better answer, less the reference: by the sum over tokens",
            ),
            Measure::preference("policy_sum", "Prefers the better answer by itself"),
            Measure::score("margin", "Margin"),
        ],
    );
    let mut samples = Vec::new();
    for id in 0..15 {
        let by_itself = |below| ("policy_sum", f64::from(u8::from(id < below)));
        samples.push(graded(id, "initial", "reference", &[by_itself(6)]));
        let won = id < 12;
        let sum = [("sum", f64::from(u8::from(won))), by_itself(7), ("margin", id as f64 - 2.0)];
        let verdict = if won { "prefers the better answer" } else { "prefers the worse answer" };
        samples.push(graded(id, "sft", verdict, &sum));
    }
    let [markdown, terminal, page] = reports(&run, &samples);
    same(&markdown, include_str!("../golden/reports/preference.md"));
    assert!(terminal.contains("80.0 % 12/15 [54.8, 93.0]"), "{terminal}");
    assert!(terminal.contains("0.035 signs"), "{terminal}");
    assert!(!page.contains("pass@1"), "no pass@k of preferences");
    assert!(page.contains("p = 0.035 against one half"), "the tile tells the test");
}

#[test]
fn a_report_of_a_judge_is_one_of_win_rates() {
    let mut run = run(
        "ultrafeedback-judge",
        vec![
            Measure::preference("score", "Win rate, a tie being half a win"),
            Measure::verdict("agree", "Both orders name the same winner"),
            Measure::score("longer_by", "Characters more than the rival's"),
        ],
    );
    run.judge = Some(JudgeRecord {
        model: "judge".into(),
        server: "http://127.0.0.1:9".into(),
        template_digest: None,
    });
    let mut samples = Vec::new();
    for id in 0..15 {
        samples.push(graded(id, "initial", "reference", &[]));
        let (verdict, score) = match id {
            0..8 => ("win", 1.0),
            8..11 => ("tie", 0.5),
            _ => ("loss", 0.0),
        };
        let measures = [("score", score), ("agree", 1.0), ("longer_by", 3.0 * (id % 4) as f64)];
        samples.push(graded(id, "sft", verdict, &measures));
    }
    let [markdown, terminal, page] = reports(&run, &samples);
    same(&markdown, include_str!("../golden/reports/judge.md"));
    assert!(terminal.contains("63.3 % 9.5/15 [38.7, 82.5]"), "{terminal}");
    assert!(!page.contains("initial −") && !page.contains("sft − initial"), "nothing to compare");
    assert_eq!(json!(run.measures[0].kind), "preference");
}
