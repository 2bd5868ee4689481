//! A programming problem in the one form that every benchmark's records are read into. Leaves out
//! reading records, choosing among problems, and grading.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::livecodebench;
use super::packed::Packed;
use crate::Failure;

/// Longest text of a test that is shown, in characters.
pub(super) const SHOWN: usize = 400;
/// Tests of a problem that are shown.
const SHOWN_TESTS: usize = 3;

/// A problem with its tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodeProblem {
    /// The benchmark's own name for it, unique in its data.
    pub id: String,
    /// A short title; the identifier where the benchmark has none.
    pub title: String,
    /// What is asked, as the benchmark words it.
    pub statement: String,
    /// Code that the answer goes on from: a class with an empty method, a function's head with its
    /// docstring; empty where there is none.
    pub starter_code: String,
    /// The method or function under test; none for a program that reads standard input.
    pub func_name: Option<String>,
    /// How its tests meet a solution.
    pub kind: Kind,
    /// The tests.
    pub tests: Tests,
    /// Where the problem was set: `leetcode`, `atcoder`, `codeforces`.
    pub platform: Option<String>,
    /// How hard its setters thought it: `easy`, `medium`, `hard`.
    pub difficulty: Option<String>,
    /// When its contest was held.
    pub contest_date: Option<Moment>,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Test {
    /// Standard input; the arguments, one JSON value a line; or a Python program that tests.
    pub input: String,
    /// What must come out: text, a JSON value, or nothing for a Python program.
    pub output: String,
}

/// A problem's tests, in the order they are run. Large ones stay packed as their benchmark packs
/// them: those of all of LiveCodeBench at once would not fit into the memory of most machines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tests {
    /// As they are.
    Plain(Vec<Test>),
    /// The public ones as they are, the private ones as LiveCodeBench packs them.
    Packed {
        /// The tests that come first.
        public: Vec<Test>,
        /// base64 of zlib of a pickle of JSON.
        private: Packed,
    },
}

impl CodeProblem {
    /// The tests themselves.
    ///
    /// # Errors
    /// [`Failure::Problem`] for private tests that do not unpack to tests of this problem's kind.
    pub fn load_tests(&self) -> Result<Cow<'_, [Test]>, Failure> {
        match &self.tests {
            Tests::Plain(tests) => Ok(Cow::Borrowed(tests)),
            Tests::Packed { public, private } => {
                self.unpack(public, private).map(Cow::Owned).map_err(Failure::Problem)
            }
        }
    }

    /// Public tests and private ones that were packed.
    pub(super) fn unpack(&self, public: &[Test], private: &Packed) -> Result<Vec<Test>, String> {
        let unpacked = livecodebench::unpack_tests(private, self.kind);
        let unpacked =
            unpacked.map_err(|reason| format!("LiveCodeBench problem {}: {reason}", self.id))?;
        Ok(public.iter().cloned().chain(unpacked).collect())
    }

    /// What a reader would look at: the first tests, cut, and how much more there is.
    pub fn shown(&self) -> Value {
        let (tests, more) = match &self.tests {
            Tests::Plain(tests) => (tests, tests.len().saturating_sub(SHOWN_TESTS).to_string()),
            Tests::Packed { public, private } => {
                (public, format!("private tests of {} bytes, packed", private.length()))
            }
        };
        let shown = |test: &Test| json!({"input": cut(&test.input), "output": cut(&test.output)});
        json!({
            "function": self.func_name,
            "tests": tests.iter().take(SHOWN_TESTS).map(shown).collect::<Vec<_>>(),
            "more": more,
        })
    }
}

/// The beginning of a text.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// How a test meets a solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The solution is a program: `input` on its standard input, `output` on its standard output.
    Stdin,
    /// The solution has a method or function: `input` holds its arguments, `output` its value.
    Functional,
    /// `input` is Python that runs after the solution and raises where it is wrong.
    Python,
}

/// A date, or a date with a time of day; ordered in time. Time zones are left out, as contest dates
/// have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Moment {
    year: u16,
    month: u8,
    day: u8,
    /// Microseconds since midnight.
    micros: u64,
}

impl FromStr for Moment {
    type Err = String;

    /// Reads `2024-08-31`, `2024-08-31T09:30`, `2024-08-31T09:30:00` or that with a fraction.
    fn from_str(text: &str) -> Result<Self, String> {
        parse_moment(text).ok_or_else(|| {
            format!("`{text}` is not a date; write it as 2024-08-31 or 2024-08-31T09:30:00")
        })
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)?;
        let (seconds, fraction) = (self.micros / 1_000_000, self.micros % 1_000_000);
        if self.micros > 0 {
            write!(f, "T{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        }
        if fraction > 0 {
            write!(f, ".{fraction:06}")?;
        }
        Ok(())
    }
}

fn parse_moment(text: &str) -> Option<Moment> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut fields = date.split('-');
    let year: u16 = digits(fields.next()?, 4)?;
    let month: u8 = digits(fields.next()?, 2)?;
    let day: u8 = digits(fields.next()?, 2)?;
    if fields.next().is_some() || !(1..=12).contains(&month) {
        return None;
    }
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u8::from(leap),
        _ => 31,
    };
    if !(1..=days).contains(&day) {
        return None;
    }
    let micros = time.map_or(Some(0), parse_time)?;
    Some(Moment { year, month, day, micros })
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.ffffff` in microseconds.
fn parse_time(text: &str) -> Option<u64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (text, ""),
    };
    if fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut fields = whole.split(':');
    let hour: u64 = digits(fields.next()?, 2)?;
    let minute: u64 = digits(fields.next()?, 2)?;
    let second: u64 = fields.next().map_or(Some(0), |field| digits(field, 2))?;
    if fields.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let micros: u64 = format!("{fraction:0<6}").parse().ok()?;
    Some((hour * 3600 + minute * 60 + second) * 1_000_000 + micros)
}

fn digits<T: FromStr>(text: &str, count: usize) -> Option<T> {
    let plain = text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_ordered_and_checked() {
        let at = |text: &str| Moment::from_str(text).unwrap();
        assert!(at("2024-08-31") < at("2024-08-31T00:00:01"));
        assert_eq!(at("2024-08-31"), at("2024-08-31T00:00:00"));
        assert_eq!(at("2024-08-31 09:30"), at("2024-08-31T09:30:00.000"));
        assert!(at("2023-12-31T23:59:59.999999") < at("2024-01-01"));
        for text in ["2024-02-29", "2024-02-29T07:08:09", "2024-02-29T00:00:00.000500"] {
            assert_eq!(at(text).to_string(), text);
        }
        for bad in ["", "2024", "2024-13-01", "2023-02-29", "2024-8-31", "2024-08-31T24:00", "x"] {
            let error = Moment::from_str(bad).unwrap_err();
            assert!(error.contains("is not a date"), "{error}");
        }
    }
}
