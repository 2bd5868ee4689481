//! Every verdict of TinyZero's own scorer, recorded by `tests/golden/countdown/record.py`.

use rewards::countdown::tinyzero::{Score, score};
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    /// Pieces of the text, each with how often it stands there.
    text: Vec<(String, usize)>,
    numbers: Vec<u64>,
    target: i64,
    /// `None` where the scorer never returned.
    score: Option<f64>,
}

fn recorded() -> Vec<Recorded> {
    let lines = include_str!("../golden/countdown/tinyzero.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_recorded_verdict_is_given() {
    let (mut different, mut right) = (Vec::new(), 0);
    for Recorded { text, numbers, target, score: theirs } in recorded() {
        let whole: String = text.iter().map(|(piece, times)| piece.repeat(*times)).collect();
        let ours = score(&whole, &numbers, target);
        // What hangs the scorer has an answer in its tags, and that is wrong at once.
        let theirs = theirs.unwrap_or(Score::Wrong.value());
        right += usize::from(ours == Score::Correct);
        if ours.value() != theirs {
            different.push(format!("{text:?} {numbers:?} {target}: {ours:?}, recorded {theirs}"));
        }
    }
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    assert!(right > 200, "{right} right answers");
}

#[test]
fn the_record_holds_every_kind_of_verdict() {
    let all = recorded();
    let count = |score: Option<f64>| all.iter().filter(|case| case.score == score).count();
    assert!(all.len() > 750);
    for (score, least) in [(Some(0.0), 15), (Some(0.1), 200), (Some(1.0), 200), (None, 3)] {
        assert!(count(score) >= least, "{score:?}: {}", count(score));
    }
}
