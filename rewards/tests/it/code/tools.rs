//! One checker for all tests, and problems made in a line.

use std::sync::LazyLock;

use rewards::code::{Checker, CodeProblem, CodeSettings, Format, Kind, Test, Tests, grade};
use rewards::{Completion, Grade, Resources};
use sandbox::{Priority, Strictness};

/// Settings with a time limit in seconds.
pub(crate) fn settings(format: Format, timeout: u32) -> CodeSettings {
    CodeSettings { timeout, ..CodeSettings::of(format) }
}

/// A checker under whatever protection this machine grants.
pub(crate) fn checker(settings: &CodeSettings) -> Checker {
    checker_at(settings, Priority::Usual)
}

/// The same, whose programs run at this priority.
pub(crate) fn checker_at(settings: &CodeSettings, priority: Priority) -> Checker {
    let resources = Resources { strictness: Strictness::BestEffort, priority, python: None };
    Checker::build(settings, &resources).unwrap()
}

/// Two seconds a test.
pub(crate) static CHECKER: LazyLock<Checker> =
    LazyLock::new(|| checker(&settings(Format::LiveCodeBench, 2)));

/// A problem of `(input, output)` tests; functional where it has a function's name.
pub(crate) fn problem(func_name: Option<&str>, tests: &[(&str, &str)]) -> CodeProblem {
    let test =
        |&(input, output): &(&str, &str)| Test { input: input.into(), output: output.into() };
    CodeProblem {
        id: "own".into(),
        starter_code: String::new(),
        func_name: func_name.map(str::to_owned),
        kind: if func_name.is_some() { Kind::Functional } else { Kind::Stdin },
        tests: Tests::Plain(tests.iter().map(test).collect()),
    }
}

/// The grade of a program as the only block of a reply.
pub(crate) fn graded(problem: &CodeProblem, program: &str) -> Grade {
    let reply = format!("```python\n{program}\n```");
    grade(&CHECKER, problem, &Completion::of(&reply)).unwrap()
}
