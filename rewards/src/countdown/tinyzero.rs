//! TinyZero's rule for Countdown, verdict for verdict: its scorer (`verl/utils/reward_score/
//! countdown.py`) hands the answer to Python's `eval`, so `**`, `//` and decimal points count too, and
//! only the last line of the text is looked at. What differs is that this one always returns: an
//! integer of more than [`MAX_BITS`] bits on the way is a wrong answer, where `eval` computes for ever.
//! Leaves out exactness: that is the strict rule's.

use super::python;

pub use super::python::MAX_BITS;

/// How far from the target a value may be.
const TOLERANCE: f64 = 1e-5;
/// Digits of an integer that Python still reads.
const MAX_DIGITS: usize = 4300;
/// What begins the assistant's part of the text, in the order in which they are looked for.
const MARKERS: [&str; 2] = ["Assistant:", "<|im_start|>assistant"];

/// TinyZero's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    /// No answer was found: 0.
    NoAnswer,
    /// An answer was found, but not a right one: 0.1.
    Wrong,
    /// The right answer: 1.
    Correct,
}

impl Score {
    /// The score as a number.
    pub fn value(self) -> f64 {
        match self {
            Self::NoAnswer => 0.0,
            Self::Wrong => 0.1,
            Self::Correct => 1.0,
        }
    }
}

/// Scores `text`, prompt and completion together, as an answer to the problem.
pub fn score(text: &str, numbers: &[u64], target: i64) -> Score {
    match extract(text) {
        None => Score::NoAnswer,
        Some(answer) if is_correct(answer, numbers, target) => Score::Correct,
        Some(_) => Score::Wrong,
    }
}

/// The last answer in the last line after the first marker.
fn extract(text: &str) -> Option<&str> {
    let (_, part) = MARKERS.iter().find_map(|marker| text.split_once(marker))?;
    let line = part.rsplit('\n').next().unwrap_or(part);
    let (mut rest, mut last) = (line, None);
    while let Some((_, opened)) = rest.split_once("<answer>") {
        let Some((answer, after)) = opened.split_once("</answer>") else { break };
        (last, rest) = (Some(answer), after);
    }
    last.map(|answer| answer.trim_matches(is_python_space))
}

/// What Python's `str.strip` takes off.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn is_correct(answer: &str, numbers: &[u64], target: i64) -> bool {
    // Digits and spaces of other scripts pass TinyZero's patterns, but not Python's parser.
    let allowed = |byte: u8| byte.is_ascii_digit() || b"+-*/().".contains(&byte);
    let space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\x0c');
    if !answer.bytes().all(|byte| allowed(byte) || space(byte)) {
        return false;
    }
    let Some(mut used) = digit_runs(answer) else { return false };
    let mut given = numbers.to_vec();
    given.sort_unstable();
    used.sort_unstable();
    given == used && python::eval(answer).is_some_and(|value| value.is_near(target, TOLERANCE))
}

/// The values of all runs of digits; `None` when one is longer than Python reads, or too large to be
/// a problem's number.
fn digit_runs(answer: &str) -> Option<Vec<u64>> {
    let runs = answer.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty());
    runs.map(|run| {
        let figures = run.trim_start_matches('0');
        let figures = if figures.is_empty() { "0" } else { figures };
        if run.len() > MAX_DIGITS { None } else { figures.parse().ok() }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answer: &str, numbers: &[u64], target: i64) -> Score {
        score(&format!("Assistant: <answer>{answer}</answer>"), numbers, target)
    }

    #[test]
    fn only_the_last_line_after_the_first_marker_counts() {
        let at = |text: &str| score(text, &[3, 5], 8);
        assert_eq!(at("Assistant: <answer>3+5</answer>"), Score::Correct);
        assert_eq!(at("<|im_start|>assistant\nso <answer>3+5</answer>"), Score::Correct);
        assert_eq!(at("<answer>3+5</answer>"), Score::NoAnswer, "no marker");
        assert_eq!(at("<answer>3+5</answer> Assistant: "), Score::NoAnswer);
        assert_eq!(at("Assistant: <answer>3+5</answer>\n"), Score::NoAnswer);
        assert_eq!(at("Assistant: <answer>3+\n5</answer>"), Score::NoAnswer);
        assert_eq!(at("Assistant: <answer>3</answer> <answer>3+5</answer>"), Score::Correct);
        assert_eq!(at("Assistant: <answer>3+5</answer> <answer>3</answer>"), Score::Wrong);
        assert_eq!(at("Assistant: <answer>3+5</answer> <answer>3"), Score::Correct);
        assert_eq!(at("Assistant: <answer>x <answer>3+5</answer>"), Score::Wrong);
    }

    #[test]
    fn what_would_never_return_is_wrong_at_once() {
        assert_eq!(of("9**9**9", &[9, 9, 9], 1), Score::Wrong);
        assert_eq!(of("1**9**9**9", &[1, 9, 9, 9], 1), Score::Wrong);
        assert_eq!(of("0*99**98**97", &[0, 99, 98, 97], 0), Score::Wrong);
        assert_eq!(of("9**9**5-9**9**5+7", &[9, 9, 5, 9, 9, 5, 7], 7), Score::Correct);
    }

    #[test]
    fn long_and_deep_answers_are_bounded() {
        assert_eq!(of(&"9".repeat(100_000), &[9], 9), Score::Wrong);
        assert_eq!(of(&"(".repeat(1_000_000), &[9], 9), Score::Wrong);
        assert_eq!(of(&("-".repeat(1_000_000) + "9"), &[9], 9), Score::Wrong);
        assert_eq!(of(&"1+".repeat(1_000_000), &[9], 9), Score::Wrong);
        let tags = "Assistant:".to_owned() + &"<answer>".repeat(1_000_000);
        assert_eq!(score(&tags, &[9], 9), Score::NoAnswer);
        let tags = "Assistant:".to_owned() + &"<answer>9</answer>".repeat(500_000);
        assert_eq!(score(&tags, &[9], 9), Score::Correct);
        let many = vec![2; 10_000];
        assert_eq!(of(&("2**".repeat(9_999) + "2"), &many, 9), Score::Wrong);
    }
}
