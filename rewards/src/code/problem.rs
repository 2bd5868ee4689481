//! A programming problem in the one form that every benchmark's records are read into. Leaves out
//! reading records, choosing among problems, and grading.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::livecodebench;
use super::packed::Packed;

/// Longest text of a test that is shown, in characters.
pub(super) const SHOWN: usize = 400;
/// Tests of a problem that are shown.
const SHOWN_TESTS: usize = 3;

/// A problem with its tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CodeProblem {
    /// The benchmark's own name for it, unique in its data.
    pub id: String,
    /// Code that the answer goes on from: a class with an empty method, a function's head with its
    /// docstring; empty where there is none.
    pub starter_code: String,
    /// The method or function under test; none for a program that reads standard input.
    pub func_name: Option<String>,
    /// How its tests meet a solution.
    pub kind: Kind,
    /// The tests.
    pub tests: Tests,
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
