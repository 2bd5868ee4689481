//! A job in an interpreter of its own: slower, and possible without namespaces.

use super::interpreter::Interpreter;
use crate::linux::command;
use crate::linux::probe::Machine;
use crate::{Error, Job, Limits, Outcome, Program};

const PROGRAM: &str = include_str!("program.py");
const ALONE: &str = include_str!("alone.py");

/// Starts the interpreter, imports the prelude, runs the job.
pub(super) fn run(
    machine: &Machine,
    interpreter: &Interpreter,
    prelude: &str,
    job: &Job<'_>,
    limits: &Limits,
) -> Result<Outcome, Error> {
    let executable = interpreter.executable.to_string_lossy();
    let code = format!("{PROGRAM}\n{ALONE}");
    let words = [&executable, "-s", "-B", "-c", &code, prelude, job.harness.unwrap_or_default()];
    let mut files = job.files.clone();
    files.push(("main.py".to_owned(), job.source.as_bytes().to_vec()));
    let program = Program {
        argv: words.iter().map(|word| (*word).to_owned()).collect(),
        stdin: job.stdin,
        files,
        readable: interpreter.readable.clone(),
        result_channel: job.harness.is_some(),
    };
    command::run(machine, &program, limits)
}
