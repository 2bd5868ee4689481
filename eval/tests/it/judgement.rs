//! Bounds for CI, and two evaluations against each other.

use std::path::Path;

use eval::report::{Bound, Error, Options, Results, compare, missing, results};
use eval::{ProblemLine, Run, Sample};
use tempfile::TempDir;

use crate::folder::{self, graded, problem};

/// Twenty problems, one sample each; arm `a` solves those below `a`, `b` those below `b`.
fn made(change: impl FnOnce(&mut Run), solved: &[(&str, usize)]) -> TempDir {
    made_of(change, solved, (0..20).map(|id| problem(&format!("p{id}"), "easy")).collect())
}

fn made_of(
    change: impl FnOnce(&mut Run),
    solved: &[(&str, usize)],
    problems: Vec<ProblemLine>,
) -> TempDir {
    let labels: Vec<&str> = solved.iter().map(|(label, _)| *label).collect();
    let mut run = folder::run(&labels, 1, &[]);
    change(&mut run);
    let mut samples: Vec<Sample> = Vec::new();
    for &(label, below) in solved {
        let numbered = problems.iter().enumerate();
        samples.extend(numbered.map(|(at, problem)| graded(&problem.id, label, 0, at < below)));
    }
    let dir = TempDir::new().unwrap();
    folder::write(dir.path(), &run, &problems, &samples);
    dir
}

fn known() -> Results {
    let dir = made(|_| {}, &[("base", 8), ("sft", 16)]);
    results(dir.path(), Options::default()).unwrap()
}

fn judged(bound: &str) -> Result<(bool, String), Error> {
    let judgement = bound.parse::<Bound>()?.judge(&known())?;
    Ok((judgement.passed, judgement.sentence))
}

#[test]
fn bounds_hold_or_break() {
    for (bound, holds) in [
        ("0.4", true),
        ("0.41", false),
        ("strict>=0.4", true),
        ("strict > 0.4", false),
        ("sft:strict>=0.8", true),
        ("sft:strict@1<0.9", true),
        ("base:strict>=0.5", false),
        ("sft-base:strict>=0.4", true),
        ("sft-base:strict>0.41", false),
        ("low(sft-base:strict)>0", true),
        ("low(sft:strict)>=0.8", false),
        ("high(base:strict)<0.7", true),
        ("points<=0.8", true),
        ("strict<=0.5", false),
    ] {
        let (passed, sentence) = judged(bound).unwrap();
        assert_eq!(passed, holds, "{bound}: {sentence}");
    }
    let (_, sentence) = judged("strict>=0.5").unwrap();
    assert_eq!(
        sentence,
        "base breaks strict>=0.5: it is 0.4000; sft keeps strict>=0.5: it is 0.8000."
    );
}

#[test]
fn a_bound_that_means_nothing_is_refused() {
    for (bound, reason) in [
        ("sft", "expected [ARM:]MEASURE[@K]>=NUMBER"),
        ("strict>=many", "expected [ARM:]MEASURE[@K]>=NUMBER"),
        ("strict>=NaN", "expected [ARM:]MEASURE[@K]>=NUMBER"),
        ("strict@x>=0.5", "expected a whole number after `@`"),
        ("tinyzero>=0.5", "the measures are strict, lenient, points"),
        ("dpo:strict>=0.5", "the arms are base, sft"),
        ("base-sft:strict>=0.5", "a difference is ARM-base"),
        ("strict@7>=0.5", "pass@k is there for k = 1"),
        ("points@1>=0.5", "points is a mean, leave out the `@`"),
        ("50", "strict is a share, expected a number from 0 to 1 (0.5, not 50)"),
        ("strict<-0.1", "expected a number from 0 to 1"),
        ("sft-base:strict>=-2", "expected a number from -1 to 1"),
    ] {
        let error = judged(bound).unwrap_err().to_string();
        assert!(error.contains(reason), "{bound}: {error}");
    }
}

#[test]
fn a_mean_may_be_any_number() {
    assert!(judged("points<=50").unwrap().0 && judged("sft-base:points>=-50").unwrap().0);
}

#[test]
fn what_an_evaluation_lacks_is_told() {
    assert_eq!(missing(&known()), None);
    let dir = made(|run| run.sampling.samples = 3, &[("base", 8), ("sft", 16)]);
    let found = results(dir.path(), Options::default()).unwrap();
    assert_eq!(missing(&found).as_deref(), Some("80 of 120 samples have no grade"));
    let dir = made(|run| run.shard = Some("1,2/3".to_owned()), &[("base", 8)]);
    let found = results(dir.path(), Options::default()).unwrap();
    assert_eq!(missing(&found).as_deref(), Some("this is share 1,2/3 of an evaluation"));
}

#[test]
fn a_rate_without_a_sample_keeps_no_bound() {
    let dir = made_of(|_| {}, &[("base", 0)], Vec::new());
    let found = results(dir.path(), Options::default()).unwrap();
    let judgement = "strict>=0".parse::<Bound>().unwrap().judge(&found).unwrap();
    assert!(!judgement.passed, "{}", judgement.sentence);
    assert!(judgement.sentence.contains("not known"), "{}", judgement.sentence);
}

fn compared(one: &Path, other: &Path) -> Result<eval::report::Comparison, Error> {
    compare(one, other, &[], Options::default())
}

#[test]
fn two_runs_are_paired_by_problem() {
    let old = made(|_| {}, &[("base", 8), ("sft", 10)]);
    let new = made(|run| run.sampling.temperature = 0.0, &[("sft", 15), ("dpo", 20)]);
    let found = compared(old.path(), new.path()).unwrap();
    let of = |d: &&eval::report::Difference| d.cut.measure == "strict" && d.cut.group.is_none();
    let rows: Vec<_> = found.differences.iter().filter(of).collect();
    assert_eq!(rows.len(), 1, "`sft` alone is in both");
    assert_eq!((rows[0].estimate.value, rows[0].problems, rows[0].differing), (Some(0.25), 20, 5));
    assert_eq!(rows[0].mcnemar.unwrap().p, rows[0].test.unwrap().p);
    assert!((rows[0].test.unwrap().p - 0.0625).abs() < 1e-12);
    let row = found.differences.iter().position(|d| of(&d)).unwrap();
    let passed = [&found.first_rates, &found.second_rates].map(|rates| rates[row].passed);
    assert_eq!(passed, [Some(10), Some(15)]);
    assert!(found.terminal().contains("50.0 %"), "{}", found.terminal());
    assert!(found.notes.iter().any(|note| note.starts_with("The sampling differs")));
    assert!(found.markdown().contains("strict: pass@1"), "{}", found.markdown());
    assert!(found.terminal().contains("+25.0"), "{}", found.terminal());
    assert!(serde_json::to_string(&found).unwrap().contains("\"differing\":5"));
}

#[test]
fn the_only_arms_are_compared_whatever_they_are_called() {
    let (old, new) = (made(|_| {}, &[("base", 8)]), made(|_| {}, &[("sft", 10)]));
    let found = compared(old.path(), new.path()).unwrap();
    assert_eq!((&*found.differences[0].arm, &*found.differences[0].reference), ("sft", "base"));
}

#[test]
fn arms_of_other_names_are_set_beside_each_other() {
    let old = made(|_| {}, &[("base", 8), ("sft", 10)]);
    let new = made(|_| {}, &[("tuned", 15), ("base", 20)]);
    let against = |one: &str, other: &str| {
        let pairs = [(one.to_owned(), other.to_owned())];
        compare(old.path(), new.path(), &pairs, Options::default())
    };
    let found = against("sft", "tuned").unwrap();
    assert!(found.differences.iter().all(|d| (&*d.arm, &*d.reference) == ("tuned", "sft")));
    assert_eq!(found.differences[0].estimate.value, Some(0.25));
    assert!(found.terminal().contains("tuned less sft"), "{}", found.terminal());
    let error = against("sft", "sft").unwrap_err().to_string();
    assert!(error.contains("the second has no arm `sft`; it has tuned, base"), "{error}");
}

#[test]
fn only_problems_in_both_are_compared_and_that_is_told() {
    let old = made(|_| {}, &[("base", 8)]);
    let some = (10..30).map(|id| problem(&format!("p{id}"), "easy")).collect();
    let new = made_of(|_| {}, &[("base", 20)], some);
    let found = compared(old.path(), new.path()).unwrap();
    assert_eq!((found.problems, found.differences[0].estimate.value), (10, Some(1.0)));
    assert_eq!(found.notes[0], "Only what both asked is compared: 10 problems of 20 and 20.");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let old = made(|_| {}, &[("base", 8), ("sft", 9)]);
    let other = |id: &str| ProblemLine { prompt: "Else.".into(), ..problem(id, "easy") };
    let measures = |run: &mut Run| run.measures.iter_mut().for_each(|m| m.name.push('2'));
    for (new, reason) in [
        (
            made_of(|_| {}, &[("base", 1)], vec![other("p3")]),
            "they ask problem `p3` in different words",
        ),
        (
            made_of(|_| {}, &[("base", 1)], vec![problem("q", "easy")]),
            "they have no problem in common",
        ),
        (made(|_| {}, &[("dpo", 1), ("rloo", 1)]), "they have no arm in common"),
        (made(measures, &[("base", 1)]), "they have no measure in common"),
    ] {
        let error = compared(old.path(), new.path()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
