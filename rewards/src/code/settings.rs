//! What a suite says of how programs are graded, and the checker that is made of it: a sandbox with
//! a Python in it. Leaves out the grading.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;
use std::time::Duration;

use sandbox::{Limits, Python, Sandbox};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::packed::Shelf;
use super::problem::{CodeProblem, Kind, Test, Tests};
use super::recent::{Recent, Shared};
use super::{Extraction, functions, harness, livecodebench, real};
use crate::{Failure, Measure, Resources};

/// Settings of a grader of programs. Times and sizes are for one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeSettings {
    /// Whose records the problems are.
    pub format: Format,
    /// How the program is taken from a reply. The verdict `lcb` always goes by the official
    /// extraction, or the whole reply where this says `whole`.
    #[serde(default)]
    pub extraction: Extraction,
    /// Processor time in seconds; four times that by the clock, so that a busy machine fails nobody
    /// who computes. For `lcb` the time by the clock, as there.
    #[serde(default = "default_timeout")]
    pub timeout: u32,
    /// Address space in MiB.
    #[serde(default = "default_memory")]
    pub memory: u64,
    /// Run every test, and not only up to the first that fails.
    #[serde(default)]
    pub all_tests: bool,
    /// For [`Format::Python`], the field with the tests, `tests` by default: Python that runs after the
    /// program and raises where it is wrong; a text, or a list of texts, each a test.
    #[serde(default)]
    pub tests: Option<String>,
    /// For [`Format::Python`], the field with Python that runs before each test: a text, or lines.
    #[serde(default)]
    pub setup: Option<String>,
    /// For [`Format::Python`], the field with the name of the function that is asked for.
    #[serde(default)]
    pub function: Option<String>,
    /// For [`Format::Python`], the field with a function's head that an answer may go on from; needs
    /// `function`.
    #[serde(default)]
    pub starter: Option<String>,
}

fn default_timeout() -> u32 {
    6
}

fn default_memory() -> u64 {
    1024
}

/// The most MiB whose bytes the system can count.
const MOST_MEMORY: u64 = i64::MAX as u64 >> 20;

impl CodeSettings {
    /// The defaults, for records of this format.
    #[must_use]
    pub fn of(format: Format) -> Self {
        Self {
            format,
            extraction: Extraction::default(),
            timeout: default_timeout(),
            memory: default_memory(),
            all_tests: false,
            tests: None,
            setup: None,
            function: None,
            starter: None,
        }
    }

    /// Whether the limits can be held, and the named fields are of use.
    fn check(&self) -> Result<(), Failure> {
        let named = [&self.tests, &self.setup, &self.function, &self.starter];
        if self.format != Format::Python && named.iter().any(|field| field.is_some()) {
            return Err(Failure::Grader(
                "`tests`, `setup`, `function` and `starter` name fields of own records; they go with \
                 format = \"python\""
                    .to_owned(),
            ));
        }
        if self.starter.is_some() && self.function.is_none() {
            return Err(Failure::Grader(
                "`starter` of a grader of programs needs `function`, the field with the name of the \
                 function that it begins"
                    .to_owned(),
            ));
        }
        if self.timeout == 0 {
            return Err(Failure::Grader(
                "`timeout` of a grader of programs is at least 1 second, found 0".to_owned(),
            ));
        }
        if !(1..=MOST_MEMORY).contains(&self.memory) {
            return Err(Failure::Grader(format!(
                "`memory` of a grader of programs is 1 to {MOST_MEMORY} MiB, found {}",
                self.memory
            )));
        }
        Ok(())
    }
}

/// Whose records problems are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// LiveCodeBench: programs on standard input, and methods.
    LiveCodeBench,
    /// HumanEval: the rest of a function.
    HumanEval,
    /// MBPP, full or sanitized: a function.
    Mbpp,
    /// Any records: [`CodeSettings`] names the fields with the tests and what belongs to them.
    Python,
}

/// A grader of programs, shared by threads.
pub struct Checker {
    pub(super) settings: CodeSettings,
    /// For functions.
    functions: Python,
    /// For programs on standard input, where the benchmark has them.
    programs: Option<Python>,
    /// For the official rules, where the benchmark has them.
    pub(super) lcb: Option<Python>,
    protections: Value,
    /// Where packed tests are, once there are any.
    shelf: OnceLock<Option<Shelf>>,
    recent: Recent,
}

/// Most bytes of unpacked tests that are kept for the next sample of the same problem.
const RECENT: usize = 256 << 20;

/// Tests of a problem, its own or shared with others who grade it.
pub(super) enum Loaded<'p> {
    /// The problem's own.
    Own(&'p [Test]),
    /// Unpacked.
    Shared(Shared),
}

impl Deref for Loaded<'_> {
    type Target = [Test];

    fn deref(&self) -> &[Test] {
        match self {
            Self::Own(tests) => tests,
            Self::Shared(tests) => tests,
        }
    }
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Checker {
    /// Starts a sandbox with a Python in it.
    ///
    /// # Errors
    /// [`Failure::Grader`] when a setting is out of its range, the machine grants less protection than
    /// is asked for, or there is no Python.
    pub fn build(settings: &CodeSettings, resources: &Resources) -> Result<Self, Failure> {
        settings.check()?;
        let sandbox = Sandbox::new(resources.strictness).map_err(broken)?.at(resources.priority);
        let protections = serde_json::to_value(sandbox.protections()).unwrap_or_default();
        let interpreter = resources.python.as_deref();
        let server = |prelude: String| sandbox.python(interpreter, &prelude).map_err(broken);
        let official = settings.format == Format::LiveCodeBench;
        let lcb = official.then(|| server(harness::lcb_prelude())).transpose()?;
        let programs = official.then(|| server(harness::program_prelude())).transpose()?;
        let functions = server(harness::prelude())?;
        let (settings, shelf, recent) = (settings.clone(), OnceLock::new(), Recent::new(RECENT));
        Ok(Self { settings, functions, programs, lcb, protections, shelf, recent })
    }

    /// The fork servers for tests of this kind.
    pub(super) fn python(&self, kind: Kind) -> &Python {
        match (kind, &self.programs) {
            (Kind::Stdin, Some(programs)) => programs,
            _ => &self.functions,
        }
    }

    /// What was active around graded programs.
    pub fn protections(&self) -> Value {
        self.protections.clone()
    }

    /// The measures that every grade carries, headline first.
    pub fn measures(&self) -> Vec<Measure> {
        let real = Measure::verdict("real", "solved: every test, as a contest judges it");
        let lcb = Measure::verdict("lcb", "solved by LiveCodeBench's own rules").beside("real");
        match self.settings.format {
            Format::LiveCodeBench => vec![real, lcb],
            Format::HumanEval | Format::Mbpp | Format::Python => {
                vec![Measure::verdict("real", "passes its tests")]
            }
        }
    }

    /// The problem in a row of data.
    ///
    /// # Errors
    /// [`Failure::Problem`] naming the field that is missing or holds something else.
    pub fn problem(&self, row: &Value) -> Result<CodeProblem, Failure> {
        match self.settings.format {
            Format::LiveCodeBench => livecodebench::read_record(row).map(|p| self.shelved(p)),
            Format::HumanEval => functions::read_humaneval(row),
            Format::Mbpp => functions::read_mbpp(row),
            Format::Python => functions::read_own(row, &self.settings),
        }
    }

    /// The problem with its packed tests in a file. Where there is no room for one they stay in memory.
    fn shelved(&self, mut problem: CodeProblem) -> CodeProblem {
        if let Tests::Packed { private, .. } = &mut problem.tests
            && let Some(shelf) = self.shelf.get_or_init(|| Shelf::new().ok())
            && let Ok(held) = private.clone().on(shelf)
        {
            *private = held;
        }
        problem
    }

    /// The problem's tests, unpacked and looked through once for samples that are graded one after the
    /// other.
    pub(super) fn tests<'p>(&self, problem: &'p CodeProblem) -> Result<Loaded<'p>, Failure> {
        let checked = |tests: &[Test]| real::readable(problem.kind, tests);
        let loaded = match &problem.tests {
            Tests::Plain(tests) => checked(tests).map(|()| Loaded::Own(tests)),
            Tests::Packed { public, private } => {
                let key = (problem.id.clone(), private.hash_with(problem.kind, public));
                let unpack = || {
                    let tests = problem.unpack(public, private)?;
                    checked(&tests).map(|()| tests)
                };
                self.recent.get(&key, unpack).map(Loaded::Shared)
            }
        };
        loaded.map_err(Failure::Problem)
    }

    /// The program that `reply` is taken to be.
    pub(super) fn program(&self, problem: &CodeProblem, reply: &str) -> Option<String> {
        match problem.kind {
            Kind::Python => functions::program(problem, reply, self.settings.extraction),
            _ => self.settings.extraction.extract(reply, problem.func_name.as_deref()),
        }
    }

    /// Limits of one test.
    pub(super) fn limits(&self) -> Limits {
        let cpu = Duration::from_secs(u64::from(self.settings.timeout));
        Limits { cpu, wall: 4 * cpu, memory: self.settings.memory << 20, ..Limits::default() }
    }
}

/// The sandbox did not do its part.
pub(super) fn broken(error: sandbox::Error) -> Failure {
    Failure::Grader(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_cannot_be_held_are_refused() {
        let usual = CodeSettings::of(Format::Mbpp);
        let read: CodeSettings =
            serde_json::from_value(serde_json::json!({"format": "mbpp"})).unwrap();
        assert_eq!(read, usual);
        usual.check().unwrap();
        let none = CodeSettings { timeout: 0, ..usual.clone() };
        assert!(none.check().unwrap_err().to_string().contains("at least 1 second, found 0"));
        for memory in [0, MOST_MEMORY + 1, u64::MAX] {
            let error = CodeSettings { memory, ..usual.clone() }.check().unwrap_err().to_string();
            assert!(error.ends_with(&format!("MiB, found {memory}")), "{error}");
        }
    }
    #[test]
    fn fields_that_would_not_be_read_are_refused() {
        let tests = Some("checks".to_owned());
        let own = CodeSettings { tests, ..CodeSettings::of(Format::Python) };
        own.check().unwrap();
        let error = CodeSettings { format: Format::Mbpp, ..own.clone() }.check().unwrap_err();
        assert!(error.to_string().contains("format = \"python\""), "{error}");
        let starter = Some("head".to_owned());
        let error = CodeSettings { starter, ..own }.check().unwrap_err().to_string();
        assert!(error.contains("needs `function`"), "{error}");
    }
}
