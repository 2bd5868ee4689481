//! A folder becomes results and a report.

use eval::report::{Options, results, write};
use eval::{ProblemLine, Sample, Status, Usage};
use tempfile::TempDir;

use crate::folder::{self, failed, graded, problem};

/// Three easy and two hard problems, two samples each: `base` solves one sample of each easy problem,
/// `sft` both; nobody solves a hard one.
fn small() -> (Vec<ProblemLine>, Vec<Sample>) {
    let of = |id: usize| (format!("p{id}"), if id < 3 { "easy" } else { "hard" });
    let problems = (0..5).map(of).map(|(id, difficulty)| problem(&id, difficulty)).collect();
    let mut samples = Vec::new();
    for (id, difficulty) in (0..5).map(of) {
        for index in 0..2 {
            samples.push(graded(&id, "base", index, difficulty == "easy" && index == 0));
            samples.push(graded(&id, "sft", index, difficulty == "easy"));
        }
    }
    (problems, samples)
}

fn made(samples: &[Sample], problems: &[ProblemLine]) -> TempDir {
    let dir = TempDir::new().unwrap();
    folder::write(dir.path(), &folder::run(&["base", "sft"], 2, &[2]), problems, samples);
    dir
}

#[test]
fn rates_and_differences_are_what_counting_says() {
    let (problems, samples) = small();
    let found = results(made(&samples, &problems).path(), Options::default()).unwrap();
    let rate = |arm: &str, k, group: Option<&str>| {
        let of = |r: &&eval::report::Rate| {
            r.arm == arm
                && r.cut.measure == "strict"
                && r.cut.k == Some(k)
                && r.cut.group.as_ref().map(|g| g.value.as_str()) == group
        };
        found.rates.iter().find(of).unwrap()
    };
    assert_eq!(rate("base", 1, None).estimate.value, Some(0.3));
    assert_eq!(rate("base", 2, None).estimate.value, Some(0.6));
    assert_eq!(rate("sft", 1, Some("easy")).estimate.value, Some(1.0));
    let hard = rate("base", 1, Some("hard"));
    assert_eq!((hard.problems, hard.samples, hard.passed), (2, 4, Some(0)));
    assert!(hard.estimate.interval.unwrap().high > 0.6, "two problems tell little");
    let overall = found.differences.iter().find(|d| d.cut.measure == "strict").unwrap();
    assert_eq!((overall.estimate.value, overall.differing), (Some(0.3), 3));
    let mcnemar = overall.mcnemar.unwrap();
    assert_eq!((mcnemar.arm_only, mcnemar.reference_only, mcnemar.neither), (3, 0, 2));
    assert!((mcnemar.p - 0.25).abs() < 1e-12);
    assert_eq!((overall.better, overall.worse), (3, 0), "what the permutation of signs looks at");
    // pass@2 of two samples is a plain success or failure of each problem.
    let of = |d: &&eval::report::Difference| d.cut.k == Some(2) && d.cut.group.is_none();
    let both = found.differences.iter().find(of).unwrap();
    assert_eq!(both.mcnemar.map(|m| (m.both, m.neither, m.p)), Some((3, 2, 1.0)));
    assert_eq!(both.test.unwrap().name, eval::report::TestName::Mcnemar);
    let disagree = found.agreements.iter().find(|a| a.arm == "base").unwrap();
    assert_eq!((disagree.both, disagree.first_only, disagree.second_only), (3, 0, 7));
}

#[test]
fn the_data_is_named_in_full() {
    let (problems, samples) = small();
    let dir = TempDir::new().unwrap();
    let mut run = folder::run(&["base", "sft"], 2, &[2]);
    run.data = format!("/a/{}/problems.jsonl", "long/".repeat(60));
    folder::write(dir.path(), &run, &problems, &samples);
    write(dir.path(), Options::default()).unwrap();
    for name in ["report.md", "report.html"] {
        let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(text.contains(&run.data), "{name}");
    }
}

#[test]
fn the_order_of_lines_changes_nothing() {
    let (problems, mut samples) = small();
    let one = results(made(&samples, &problems).path(), Options::default()).unwrap();
    samples.reverse();
    samples.swap(3, 9);
    let other = results(made(&samples, &problems).path(), Options::default()).unwrap();
    assert_eq!(one, other);
}

#[test]
fn failed_samples_are_counted_and_in_no_rate() {
    let (problems, mut samples) = small();
    // Both samples of p4 fail for sft: it is left with four problems, told loudly.
    for sample in samples.iter_mut().filter(|s| s.problem == "p4" && s.arm == "sft") {
        *sample = failed("p4", "sft", sample.index);
    }
    let found = results(made(&samples, &problems).path(), Options::default()).unwrap();
    let sft = &found.arms[1];
    assert_eq!((sft.graded, sft.failed, sft.absent, sft.unanswered), (8, 2, 0, 1));
    assert_eq!(sft.failures, [("the server is gone".to_owned(), 2)]);
    let rate = found.rates.iter().find(|r| r.arm == "sft").unwrap();
    assert_eq!((rate.estimate.value, rate.problems, rate.short), (Some(0.75), 4, 1));
    assert!(found.notes[0].starts_with("THE ARMS MISS DIFFERENT PROBLEMS"), "{:?}", found.notes);
    let overall = &found.differences[0];
    assert_eq!((overall.problems, overall.estimate.value), (4, Some(0.375)));
}

#[test]
fn a_failed_sample_gives_way_to_its_second_try() {
    let (problems, mut samples) = small();
    samples.insert(0, failed("p0", "base", 0));
    samples.push(failed("p0", "sft", 0));
    let found = results(made(&samples, &problems).path(), Options::default()).unwrap();
    assert!(found.arms.iter().all(|arm| (arm.graded, arm.failed) == (10, 0)));
}

#[test]
fn one_sample_with_two_answers_is_refused() {
    let (problems, mut samples) = small();
    samples.push(graded("p0", "base", 0, false));
    let error = results(made(&samples, &problems).path(), Options::default()).unwrap_err();
    assert!(error.to_string().contains("problem `p0` has two different answers"), "{error}");
}

#[test]
fn a_torn_last_line_is_left_out_and_told() {
    let (problems, samples) = small();
    let dir = made(&samples, &problems);
    let path = dir.path().join("samples.jsonl");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    let found = results(dir.path(), Options::default()).unwrap();
    assert_eq!(found.arms[1].absent, 1);
    assert!(found.notes.iter().any(|note| note.contains("cut off")), "{:?}", found.notes);
    // The same bytes in the middle are an error that names its line.
    std::fs::write(&path, [b"{\"key\"\n", &whole[..]].concat()).unwrap();
    let error = results(dir.path(), Options::default()).unwrap_err();
    assert!(error.to_string().contains("samples.jsonl, line 1: not a sample"), "{error}");
}

#[test]
fn samples_of_unknown_arms_and_problems_are_refused() {
    let (problems, samples) = small();
    for (stranger, reason) in [
        (graded("p9", "base", 0, true), "problem `p9`, which problems.jsonl lacks"),
        (graded("p0", "rloo", 0, true), "arm `rloo`, which run.json lacks"),
    ] {
        let samples = [&samples[..], &[stranger]].concat();
        let error = results(made(&samples, &problems).path(), Options::default()).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn names_that_stand_twice_are_refused() {
    let (problems, samples) = small();
    let twice = [&problems[..], &problems[..1]].concat();
    let error = results(made(&samples, &twice).path(), Options::default()).unwrap_err();
    assert!(
        error.to_string().ends_with("problems.jsonl, line 6: a second problem `p0`"),
        "{error}"
    );
    let dir = TempDir::new().unwrap();
    folder::write(dir.path(), &folder::run(&["sft", "sft"], 2, &[]), &problems, &[]);
    let error = results(dir.path(), Options::default()).unwrap_err();
    assert!(error.to_string().ends_with("run.json: two arms are called `sft`"), "{error}");
}

#[test]
fn a_run_without_an_answer_yet_has_a_report() {
    let (problems, _) = small();
    let dir = made(&[], &problems);
    let found = write(dir.path(), Options::default()).unwrap();
    assert!(found.rates.iter().all(|rate| rate.estimate.value.is_none() && rate.problems == 0));
    assert!(found.differences.iter().all(|d| d.test.is_none()));
    assert!(found.notes[0].starts_with("The run is not complete: 20 of 20"), "{:?}", found.notes);
    let page = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("All 0 samples."));
}

#[test]
fn a_missing_file_is_named() {
    let (problems, samples) = small();
    for file in ["run.json", "problems.jsonl", "samples.jsonl"] {
        let dir = made(&samples, &problems);
        std::fs::remove_file(dir.path().join(file)).unwrap();
        let error = results(dir.path(), Options::default()).unwrap_err();
        assert!(error.to_string().contains(file), "{error}");
    }
}

#[test]
fn pass_at_k_leaves_out_and_tells_problems_with_too_few_samples() {
    let (problems, mut samples) = small();
    samples.retain(|s| s.problem != "p0" || s.arm != "base" || s.index == 0);
    let found = results(made(&samples, &problems).path(), Options::default()).unwrap();
    let of = |r: &&eval::report::Rate| r.arm == "base" && r.cut.k == Some(2);
    let rate = found.rates.iter().find(of).unwrap();
    assert_eq!((rate.problems, rate.short, rate.estimate.value), (4, 1, Some(0.5)));
    let told = "pass@2 of base leaves out 1 problem with fewer graded samples.";
    assert!(found.notes.iter().any(|note| note == told), "{:?}", found.notes);
}

#[test]
fn the_files_of_a_report_are_written() {
    let (problems, samples) = small();
    let dir = made(&samples, &problems);
    let found = write(dir.path(), Options::default()).unwrap();
    let json = std::fs::read(dir.path().join("results.json")).unwrap();
    assert_eq!(serde_json::from_slice::<eval::report::Results>(&json).unwrap(), found);
    let text = std::fs::read_to_string(dir.path().join("report.md")).unwrap();
    assert!(text.contains("| pass@1 | 5 | 30.0 % 3/10 "), "{text}");
    assert!(text.contains("| pass@2 | 5 | 60.0 % 3/5 "), "{text}");
    assert!(text.contains("3 / 0 | 0.250 permuted |"), "{text}");
    assert!(found.terminal().contains("pass@2"), "{}", found.terminal());
}

/// The same with every answer's end and cost changed.
fn with(mut sample: Sample, end: &str, cost: Usage) -> Sample {
    if let Status::Graded { finish, usage, .. } = &mut sample.status {
        *finish = end.to_owned();
        *usage = cost;
    }
    sample
}

/// The row of an arm in the table of answers.
fn answers(dir: &TempDir, arm: &str) -> String {
    let text = std::fs::read_to_string(dir.path().join("report.md")).unwrap();
    let table = text.split("## Answers").nth(1).unwrap();
    let row = table.lines().find(|line| line.starts_with(&format!("| {arm} |")));
    row.unwrap().to_owned()
}

#[test]
fn what_is_not_known_is_a_dash_and_no_zero() {
    let (problems, samples) = small();
    let unknown: Vec<Sample> =
        samples.into_iter().map(|sample| with(sample, "unknown", Usage::default())).collect();
    let dir = made(&unknown, &problems);
    let found = write(dir.path(), Options::default()).unwrap();
    assert_eq!(answers(&dir, "sft"), "| sft | 10 | 0 | 0 | – | 10 median 10 | – | – | – |");
    assert_eq!((found.arms[0].prompt_tokens, found.arms[0].seconds), (None, None));
    // Lines of an earlier time say 0 for both counts of tokens.
    let path = dir.path().join("samples.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    let old = r#""usage":{"prompt_tokens":0,"completion_tokens":0,"seconds":0.5}"#;
    std::fs::write(&path, text.replace(r#""usage":{}"#, old)).unwrap();
    write(dir.path(), Options::default()).unwrap();
    let row = answers(&dir, "sft");
    assert!(row.ends_with("| – | 10 median 10 | – | – | 0.50 median 0.50 |"), "{row}");
}

#[test]
fn replies_that_are_no_attempt_are_told() {
    let (problems, mut samples) = small();
    for (at, end) in [(1, "content_filter"), (3, "refusal"), (5, "refusal"), (0, "tool_calls")] {
        samples[at] = with(samples[at].clone(), end, Usage::default());
    }
    let found = results(made(&samples, &problems).path(), Options::default()).unwrap();
    let told: Vec<&String> =
        found.notes.iter().filter(|note| note.contains("no attempt")).collect();
    assert!(
        told[0].starts_with("1 of 10 replies of base are no attempt (tool_calls 1)"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("3 of 10 replies of sft are no attempt (content_filter 1, refusal 2)"),
        "{told:?}"
    );
    assert_eq!(found.arms[1].finishes["refusal"], 2);
}

#[test]
fn one_answer_more_that_was_cut_moves_its_interval_up() {
    let problems: Vec<ProblemLine> = (0..4).map(|id| problem(&format!("p{id}"), "easy")).collect();
    let share = |cut: usize| {
        let all = (0..4).flat_map(|id| (0..10).map(move |index| (id, index)));
        let samples: Vec<Sample> = all
            .enumerate()
            .map(|(at, (id, index))| {
                let end = if at < cut { "length" } else { "stop" };
                with(graded(&format!("p{id}"), "base", index, true), end, Usage::default())
            })
            .collect();
        let dir = TempDir::new().unwrap();
        folder::write(dir.path(), &folder::run(&["base"], 10, &[]), &problems, &samples);
        let found = results(dir.path(), Options::default()).unwrap();
        let told = found.notes.iter().any(|note| note.contains("ended at the limit"));
        (found.arms[0].truncated_share.interval.unwrap(), told)
    };
    let mut before = share(0).0;
    assert!((before.low, before.high.mul_add(100.0, 0.0).round()) == (0.0, 49.0), "{before:?}");
    for cut in 1..=40 {
        let (now, told) = share(cut);
        assert!(before.low <= now.low && before.high <= now.high, "{cut}: {before:?} {now:?}");
        assert_eq!(told, cut > 2, "more than a twentieth of {cut}/40");
        before = now;
    }
}

#[test]
fn many_arms_are_rows_on_a_terminal_and_groups_without_a_problem_are_none() {
    let labels: Vec<String> = (0..12).map(|at| format!("adapter-{at}")).collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let problems = [problem("p0", "easy"), problem("p1", "easy"), problem("p2", "never asked")];
    let of = |arm: &&str| {
        let arm = (*arm).to_owned();
        (0..2).map(move |id| graded(&format!("p{id}"), &arm, 0, id == 0)).collect::<Vec<_>>()
    };
    let samples: Vec<Sample> = labels.iter().flat_map(of).collect();
    let dir = TempDir::new().unwrap();
    folder::write(dir.path(), &folder::run(&labels, 1, &[]), &problems, &samples);
    let found = write(dir.path(), Options::default()).unwrap();
    let said = found.terminal();
    assert!(
        said.lines().all(|line| line.starts_with("note: ") || line.chars().count() <= 140),
        "{said}"
    );
    assert!(said.contains("adapter-11"), "{said}");
    for name in ["report.md", "report.html"] {
        let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
        let shown = text.split("id=\"data\"").next().unwrap();
        assert!(!shown.contains("never asked"), "{name}");
    }
}
