//! A part of an evaluation says what an evaluation of those problems alone would say.

use eval::ProblemLine;
use eval::report::{Options, Part, Results, part_results, results};

use crate::folder;

/// Forty problems of two difficulties, dated day by day; arm `sft` fails every third one. Those that
/// `keep` alone, or all.
fn made(keep: impl Fn(usize) -> bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let number = |at: usize| format!("p{at:02}");
    let problems: Vec<ProblemLine> = (1..41)
        .filter(|&at| keep(at))
        .map(|at| ProblemLine {
            date: Some(format!("2024-05-{at:02}")),
            ..folder::problem(&number(at), if at % 2 == 0 { "easy" } else { "hard" })
        })
        .collect();
    let run = folder::run(&["base", "sft"], 1, &[]);
    let samples: Vec<_> = (1..41)
        .filter(|&at| keep(at))
        .flat_map(|at| {
            ["base", "sft"].map(|arm| {
                folder::graded(&number(at), arm, 0, if arm == "sft" { at % 3 > 0 } else { at < 20 })
            })
        })
        .collect();
    folder::write(dir.path(), &run, &problems, &samples);
    dir
}

fn rows(found: &Results) -> Vec<String> {
    let rates = found.rates.iter().filter(|rate| rate.problems > 0).map(|rate| format!("{rate:?}"));
    rates
        .chain(found.differences.iter().filter(|d| d.problems > 0).map(|d| format!("{d:?}")))
        .collect()
}

fn part(difficulty: Option<&str>, start: Option<&str>, end: Option<&str>) -> Part {
    Part {
        wanted: difficulty
            .map(|value| ("difficulty".to_owned(), value.to_owned()))
            .into_iter()
            .collect(),
        start_date: start.map(str::to_owned),
        end_date: end.map(str::to_owned),
    }
}

#[test]
fn a_part_is_as_an_evaluation_of_its_problems() {
    let whole = made(|_| true);
    for (part, alone) in [
        (part(Some("hard"), None, None), made(|at| at % 2 == 1)),
        (part(None, Some("2024-05-11"), Some("2024-05-30")), made(|at| (11..=30).contains(&at))),
        (part(Some("easy"), Some("2024-05-20"), None), made(|at| at >= 20 && at % 2 == 0)),
    ] {
        let found = part_results(whole.path(), &part, Options::default()).unwrap();
        let alone = results(alone.path(), Options::default()).unwrap();
        assert_eq!(rows(&found), rows(&alone), "{part:?}");
        assert_eq!(found.problems, alone.problems);
        assert!(found.notes[0].contains(&format!("{} of 40", alone.problems)), "{:?}", found.notes);
    }
    assert!(!whole.path().join("results.json").exists());
}

#[test]
fn parts_that_there_are_not_are_refused() {
    let dir = made(|_| true);
    let refused =
        |part: Part| part_results(dir.path(), &part, Options::default()).unwrap_err().to_string();
    let of =
        |name: &str| Part { wanted: vec![(name.to_owned(), "x".to_owned())], ..Part::default() };
    assert_eq!(refused(of("platform")), "`platform` is no group of this run; there is difficulty");
    assert!(refused(of("difficulty")).starts_with("no problem has difficulty `x`; there is "));
    assert!(refused(part(None, Some("2025-01-01"), None)).starts_with("no problem is left"));
}
