//! The strict rule: whole-text last answer, exact value, each number once. Leaves out grades.

use super::{Fraction, parse};

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
/// and integers are taken; division is exact. A sign before a number or a parenthesis is taken too, as
/// by TinyZero's scorer and CS224R's: `-11 + 14` is `14 - 11`, and for a target above 0 there always
/// is such a way to write it without. `= 24` behind the expression is passed over where it says the
/// expression's value.
pub fn verify<N: Copy + Into<u64>>(
    expression: &str,
    numbers: &[N],
    target: impl Into<i64>,
) -> Verdict {
    let (expression, claim) = match expression.rsplit_once('=') {
        Some((expression, claim)) => (expression, Some(claim.trim())),
        None => (expression, None),
    };
    let parsed = match parse(expression) {
        Ok(parsed) => parsed,
        Err(reason) => return Verdict::Malformed(reason),
    };
    if let Some(claim) = claim.filter(|claim| *claim != parsed.value.to_string()) {
        let shown: String = claim.chars().take(20).collect();
        return Verdict::Malformed(format!("it says `= {shown}` but is {}", parsed.value));
    }
    let mut given: Vec<u64> = numbers.iter().copied().map(Into::into).collect();
    let mut used = parsed.numbers;
    given.sort_unstable();
    used.sort_unstable();
    if given != used {
        return Verdict::WrongNumbers;
    }
    if parsed.value == Fraction::from(target.into()) {
        Verdict::Correct
    } else {
        Verdict::WrongValue(parsed.value)
    }
}

/// The text in the last whole `<answer>` ... `</answer>` of a completion, trimmed.
pub fn extract_answer(completion: &str) -> Option<&str> {
    let (before, _) = completion.rsplit_once("</answer>")?;
    // A stray closing tag after the last answer closes nothing.
    let (_, answer) = before.rsplit_once("<answer>")?;
    let answer = answer.split_once("</answer>").map_or(answer, |(answer, _)| answer);
    Some(answer.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(numerator: i128, denominator: i128) -> Verdict {
        Verdict::WrongValue(Fraction { numerator, denominator })
    }

    fn check(expression: &str, numbers: &[u32], target: u32) -> Verdict {
        verify(expression, numbers, target)
    }

    #[test]
    fn verdicts() {
        let grade = |text: &str| check(text, &[12, 19, 7], 24);
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
        assert_eq!(check("5 + 5", &[5, 5], 10), Verdict::Correct);
        assert_eq!(
            check("8 / (3 - 8 / 3)", &[3, 3, 8, 8], 24),
            Verdict::Correct,
            "fractions on the way"
        );
    }

    #[test]
    fn a_sign_is_no_operation_too_many() {
        let grade = |text: &str| check(text, &[11, 12, 13, 14], 28);
        for text in
            ["-11+14+13+12", "- 11 + (14 + 13 + 12)", "-(11 - 14) + +13 + 12", "14--13+12-11"]
        {
            assert_eq!(grade(text), Verdict::Correct, "{text}");
        }
        assert_eq!(grade("-11 - 14 - 13 - 12"), wrong(-50, 1));
        assert_eq!(check("-6 * -4", &[4, 6], 24), Verdict::Correct, "signs bind closest");
        assert_eq!(check("-19 + 12", &[12, 19, 7], 24), Verdict::WrongNumbers);
    }

    #[test]
    fn a_true_equation_is_taken_and_a_false_one_is_not() {
        let grade = |text: &str| check(text, &[12, 19, 7], 24);
        assert_eq!(grade("(19 + 12) - 7 = 24"), Verdict::Correct);
        assert_eq!(grade("(19 + 12) - 7=24 "), Verdict::Correct);
        assert_eq!(grade("19 + 12 + 7 = 38"), wrong(38, 1), "true, but not the target");
        for text in ["19 + 12 + 7 = 24", "(19 + 12) - 7 = ", "24 = 19 + 12 - 7", "19+12=31=24"] {
            assert!(matches!(grade(text), Verdict::Malformed(_)), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_expression_is_refused() {
        let long = "1+".repeat(600) + "1";
        let deep = "(".repeat(200) + "1" + &")".repeat(200);
        let digits = "9".repeat(100_000);
        let towers = "(".repeat(1_000_000);
        for text in [
            "",
            "()",
            "19 +",
            "* 19",
            "(19 + 12",
            "19 + 12)",
            "19 12",
            "19 -",
            "19 + - * 12",
            &"-".repeat(100),
            "2 ** 3",
            "9**9**9",
            "19 // 2",
            "19 + x",
            "1e3",
            "1.5",
            "7 / (12 - 12)",
            "__import__('os')",
            "１２",
            "99999999999999999999999",
            &long,
            &deep,
            &digits,
            &towers,
        ] {
            let verdict = check(text, &[19, 12, 7], 24);
            assert!(matches!(verdict, Verdict::Malformed(_)), "{text:.40}");
        }
    }

    #[test]
    fn the_last_whole_answer_counts() {
        assert_eq!(extract_answer("<answer>1</answer> no <answer> 2 </answer>"), Some("2"));
        assert_eq!(extract_answer("<answer>1</answer> no <answer>2"), Some("1"));
        assert_eq!(extract_answer("<answer>1</answer></answer>"), Some("1"));
        assert_eq!(extract_answer("<answer>use <answer>2</answer>"), Some("2"));
        assert_eq!(extract_answer("<answer>1"), None);
        assert_eq!(extract_answer("</answer>1<answer>"), None);
        assert_eq!(extract_answer("24"), None);
        let many = "<answer>".repeat(1_000_000) + "7</answer>";
        assert_eq!(extract_answer(&many), Some("7"));
    }
}
