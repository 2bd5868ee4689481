//! The Countdown generator: every answer verifies, the splits never meet, the same seed gives the
//! same bytes.

use std::collections::HashSet;

use rewards::countdown::{Verdict, extract_answer, verify};
use serde_json::Value;
use wardrobe::datasets::countdown::{Mixture, Split, generate};

/// Reads the numbers and the target out of the question.
fn problem(record: &Value) -> Option<(Vec<u32>, u32)> {
    let question = record["messages"][0]["content"].as_str()?;
    let rest = question.strip_prefix("Using the numbers [")?;
    let (numbers, rest) = rest.split_once("], create an equation that equals ")?;
    let numbers = numbers.split(", ").map(|n| n.parse().unwrap()).collect();
    Some((numbers, rest.strip_suffix('.')?.parse().unwrap()))
}

fn reply(record: &Value) -> &str {
    record["messages"][1]["content"].as_str().unwrap()
}

#[test]
fn every_answer_verifies_and_every_line_is_true() {
    // An orderly search may end one wrong guess and one right: each a move, then 12 with 2 under each.
    for (kind, most_lines) in [(Mixture::Pretrain, 14), (Mixture::Sft, 2 * (1 + 12 * 3))] {
        let mut worked = 0;
        for record in generate(kind, Split::Train, 3000, 5) {
            let Some((numbers, target)) = problem(&record) else { continue };
            let answer = extract_answer(reply(&record)).expect("an answer");
            assert_eq!(verify(answer, &numbers, target), Verdict::Correct, "{record:#}");
            let Some((_, thinking)) = reply(&record).split_once("<think>\n") else { continue };
            let (thinking, _) = thinking.split_once("\n</think>\n").expect("closed thinking");
            assert!((1..=most_lines).contains(&thinking.lines().count()), "{thinking}");
            check_search(thinking, &numbers, target);
            worked += 1;
        }
        assert!(worked > 1000, "{kind:?} has {worked} worked problems");
    }
}

/// Follows a search: each sum is right, its operands are on a table that the search has reached,
/// and only the last line makes the target.
fn check_search(thinking: &str, numbers: &[u32], target: u32) {
    let lines: Vec<&str> = thinking.lines().collect();
    let mut start = numbers.to_vec();
    start.sort_unstable();
    let mut tables: HashSet<Vec<u32>> = HashSet::from([start]);
    for (index, line) in lines.iter().enumerate() {
        let (sum, rest) = line.split_once(' ').unwrap();
        let (terms, value) = sum.split_once('=').unwrap();
        let value: u32 = value.parse().unwrap();
        let sign = terms.find(['+', '-', '*', '/']).unwrap();
        let (a, b): (u32, u32) =
            (terms[..sign].parse().unwrap(), terms[sign + 1..].parse().unwrap());
        let right = match &terms[sign..=sign] {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            _ => a / b,
        };
        assert_eq!(right, value, "{line}");
        let after = match rest.strip_prefix("left ") {
            Some(left) => left.split(' ').map(|n| n.parse().unwrap()).collect(),
            None => {
                assert_eq!(rest, if value == target { "yes" } else { "no" });
                assert_eq!(value == target, index == lines.len() - 1);
                vec![value]
            }
        };
        let mut before: Vec<u32> = after[..after.len() - 1].to_vec();
        assert_eq!(after.last(), Some(&value), "the new number is last: {line}");
        before.extend([a, b]);
        before.sort_unstable();
        assert!(tables.contains(&before), "{line} in\n{thinking}");
        let mut after = after;
        after.sort_unstable();
        tables.insert(after);
    }
}

#[test]
fn problems_are_distinct_and_the_splits_never_meet() {
    let keys = |split, seed| -> HashSet<(Vec<u32>, u32)> {
        let records: Vec<Value> = generate(Mixture::Problems, split, 1000, seed).collect();
        assert_eq!(records.len(), 1000);
        let key = |record: &Value| {
            let (mut numbers, target) = problem(record).expect("a problem");
            assert_eq!(record["numbers"], serde_json::json!(numbers));
            assert_eq!(record["target"], target);
            numbers.sort_unstable();
            (numbers, target)
        };
        let keys: HashSet<_> = records.iter().map(key).collect();
        assert_eq!(keys.len(), 1000);
        keys
    };
    let test = keys(Split::Test, 1);
    assert!(keys(Split::Train, 1).is_disjoint(&test));
    assert!(keys(Split::Train, 2).is_disjoint(&test));
    let trained_on = generate(Mixture::Sft, Split::Train, 4000, 3)
        .chain(generate(Mixture::Pretrain, Split::Train, 4000, 3))
        .filter_map(|record| problem(&record));
    for (mut numbers, target) in trained_on {
        numbers.sort_unstable();
        assert!(!test.contains(&(numbers, target)));
    }
    let drawn: Vec<_> =
        generate(Mixture::Sft, Split::Test, 2000, 4).filter_map(|r| problem(&r)).collect();
    let three = drawn.iter().filter(|(numbers, _)| numbers.len() == 3).count();
    assert!(
        (0.6..0.73).contains(&(three as f64 / drawn.len() as f64)),
        "two thirds have three numbers: {three}"
    );
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let text = |kind, seed| -> String {
        generate(kind, Split::Train, 200, seed).map(|record| record.to_string() + "\n").collect()
    };
    for kind in [Mixture::Pretrain, Mixture::Sft, Mixture::Problems] {
        assert_eq!(text(kind, 9), text(kind, 9));
        assert_ne!(text(kind, 9), text(kind, 10));
        let first: Vec<Value> = generate(kind, Split::Train, 50, 9).collect();
        let more: Vec<Value> = generate(kind, Split::Train, 60, 9).take(50).collect();
        assert_eq!(first, more, "asking for more changes no record");
    }
    // The bundled demo is remade from these bytes: a change here changes the demo.
    assert_eq!(fingerprint(&text(Mixture::Pretrain, 0)), 5_414_731_479_285_986_617);
    assert_eq!(fingerprint(&text(Mixture::Sft, 0)), 9_249_362_623_693_207_003);
}

/// FNV-1a, 64 bits.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn an_orderly_search_of_three_numbers_tries_nothing_twice() {
    let records = generate(Mixture::Sft, Split::Train, 2000, 1);
    let mut longest = 0;
    for record in records.filter(|record| reply(record).starts_with("<think>")) {
        let Some((mut numbers, _)) = problem(&record) else { continue };
        let three = numbers.len() == 3;
        numbers.sort_unstable();
        numbers.dedup();
        if !three || numbers.len() != 3 {
            continue;
        }
        let reply = reply(&record);
        let firsts: Vec<&str> = reply.lines().filter(|line| line.contains("left")).collect();
        let distinct: HashSet<&str> = firsts.iter().copied().collect();
        assert_eq!(firsts.len(), distinct.len(), "{reply}");
        longest = longest.max(firsts.len());
    }
    assert!((8..=12).contains(&longest), "three pairs, up to four moves each: {longest}");
}
