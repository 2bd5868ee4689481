//! A folder becomes results and a report.

use eval::report::{Options, results, write};
use eval::{ProblemLine, Sample};
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
    assert!(text.contains("| pass@1 | 5 | 30.0 % "), "{text}");
    assert!(found.terminal().contains("pass@2"), "{}", found.terminal());
}
