//! Grading Countdown: is this expression the target, using every number exactly once? The
//! expression is parsed, never evaluated as code, in exact rational arithmetic with bounds on its
//! length, nesting and size. Leaves out shaping (points for format alone).

mod expression;

pub use expression::{Fraction, Parsed, parse};

/// What an answer is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The value is the target and every number is used exactly once.
    Correct,
    /// The numbers are right; the value, given here, is not.
    WrongValue(Fraction),
    /// The expression uses other numbers than those given, or one of them not exactly once.
    WrongNumbers,
    /// Not an expression of integers, `+ - * /` and parentheses that has a value; the reason in
    /// words.
    Malformed(String),
}

/// Grades `expression` against the `numbers` and `target` of a problem. Only `+ - * /`, parentheses
/// and unsigned integers are taken; division is exact.
pub fn verify(expression: &str, numbers: &[u32], target: u32) -> Verdict {
    let parsed = match parse(expression) {
        Ok(parsed) => parsed,
        Err(reason) => return Verdict::Malformed(reason),
    };
    let mut given: Vec<u64> = numbers.iter().copied().map(u64::from).collect();
    let mut used = parsed.numbers;
    given.sort_unstable();
    used.sort_unstable();
    if given != used {
        return Verdict::WrongNumbers;
    }
    if parsed.value == Fraction::from(target) {
        Verdict::Correct
    } else {
        Verdict::WrongValue(parsed.value)
    }
}

/// The text in the last `<answer>` ... `</answer>` of a completion, trimmed.
pub fn extract_answer(completion: &str) -> Option<&str> {
    let (_, rest) = completion.rsplit_once("<answer>")?;
    let (answer, _) = rest.split_once("</answer>")?;
    Some(answer.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(numerator: i128, denominator: i128) -> Verdict {
        Verdict::WrongValue(Fraction { numerator, denominator })
    }

    #[test]
    fn verdicts() {
        let grade = |text: &str| verify(text, &[12, 19, 7], 24);
        assert_eq!(grade("(19 + 12) - 7"), Verdict::Correct);
        assert_eq!(grade(" 19+12-7 "), Verdict::Correct);
        assert_eq!(
            grade("19 - (7 - 12)"),
            Verdict::Correct,
            "negative intermediates are exact too"
        );
        assert_eq!(grade("19 + 12 + 7"), wrong(38, 1));
        assert_eq!(grade("19 - 7 - 12"), wrong(0, 1), "subtraction groups to the left");
        assert_eq!(grade("19 / 7 / 12"), wrong(19, 84), "division groups to the left");
        assert_eq!(grade("12 - 7 / 19"), wrong(221, 19), "products bind closer than sums");
        assert_eq!(grade("19 + 12"), Verdict::WrongNumbers);
        assert_eq!(grade("19 + 12 - 7 + 7 - 7"), Verdict::WrongNumbers);
        assert_eq!(grade("24"), Verdict::WrongNumbers);
        assert_eq!(verify("5 + 5", &[5, 5], 10), Verdict::Correct);
        assert_eq!(
            verify("8 / (3 - 8 / 3)", &[3, 3, 8, 8], 24),
            Verdict::Correct,
            "fractions on the way"
        );
    }

    #[test]
    fn what_is_not_an_expression_is_refused() {
        let long = "1+".repeat(600) + "1";
        let deep = "(".repeat(200) + "1" + &")".repeat(200);
        for text in [
            "",
            "()",
            "19 +",
            "* 19",
            "(19 + 12",
            "19 + 12)",
            "19 12",
            "-19 + 12",
            "2 ** 3",
            "19 + x",
            "1e3",
            "1.5",
            "7 / (12 - 12)",
            "19 = 19",
            "__import__('os')",
            "１２",
            "99999999999999999999999",
            &long,
            &deep,
        ] {
            assert!(matches!(verify(text, &[19, 12, 7], 24), Verdict::Malformed(_)), "{text}");
        }
    }

    #[test]
    fn the_last_answer_counts() {
        assert_eq!(extract_answer("<answer>1</answer> no <answer> 2 </answer>"), Some("2"));
        assert_eq!(
            extract_answer("<answer>1</answer> no <answer>2"),
            None,
            "an unfinished answer is none"
        );
        assert_eq!(extract_answer("24"), None);
    }
}
