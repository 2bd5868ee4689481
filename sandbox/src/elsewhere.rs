//! Systems other than Linux: a clear refusal, or on request programs with nothing but a limit of
//! time and of output.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::protections::{Missing, Protection};
use crate::{End, Error, Job, Limits, Outcome, Priority, Program, Protections, Strictness};

/// Runs programs that the user trusts: no protection stands before them.
#[derive(Clone)]
pub struct Sandbox {
    protections: Protections,
}

/// A Python interpreter, by its own word.
#[derive(Clone, Debug)]
pub struct Interpreter {
    /// The program.
    pub executable: PathBuf,
    /// The folders that it lives in; all are readable here.
    pub readable: Vec<PathBuf>,
    /// Where it looks for modules; it finds them by itself here.
    pub path: Vec<PathBuf>,
}

/// Runs pieces of Python, each in an interpreter of its own.
#[derive(Clone)]
pub struct Python {
    sandbox: Sandbox,
    interpreter: Interpreter,
    prelude: String,
}

const PROGRAM: &str = include_str!("linux/python/program.py");
const ALONE: &str = include_str!("linux/python/alone.py");
const WHY: &str = "this system is not Linux";
/// Between two looks at whether a program has ended.
const LOOK: Duration = Duration::from_millis(5);

impl Sandbox {
    /// # Errors
    ///
    /// For anything but `Strictness::Off`.
    pub fn new(strictness: Strictness) -> Result<Self, Error> {
        if strictness != Strictness::Off {
            return Err(Error::Unsupported { system: std::env::consts::OS });
        }
        let missing = Missing { protection: Protection::PrivateRoot, why: WHY.to_owned() };
        let active = vec![Protection::CleanEnvironment];
        let protections =
            Protections { strictness, active, missing: vec![missing], landlock_abi: 0 };
        Ok(Self { protections })
    }

    /// The same: priorities are not known here.
    #[must_use]
    pub fn at(self, _: Priority) -> Self {
        self
    }

    /// What stands between a program and the machine, to be recorded beside a result.
    #[must_use]
    pub fn protections(&self) -> &Protections {
        &self.protections
    }

    /// Runs a program to its end. A process it leaves behind is not found here.
    ///
    /// # Errors
    ///
    /// For the machinery's own failures alone: what the program did is in the outcome.
    pub fn run(&self, program: &Program<'_>, limits: &Limits) -> Result<Outcome, Error> {
        if program.result_channel {
            let why = "a channel for results needs Linux".to_owned();
            return Err(Error::Request(why));
        }
        let Some((name, arguments)) = program.argv.split_first() else {
            return Err(Error::Request("there is no program to run: argv is empty".into()));
        };
        let folder = tempfile::tempdir().map_err(Error::io("making a working folder"))?;
        for (name, content) in &program.files {
            fs_err::write(folder.path().join(name), content)
                .map_err(Error::io("writing a program's file"))?;
        }
        let mut input = tempfile::tempfile().map_err(Error::io("writing a program's input"))?;
        let written =
            input.write_all(program.stdin).and_then(|()| std::io::Seek::rewind(&mut input));
        written.map_err(Error::io("writing a program's input"))?;
        let child = Command::new(name)
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::from(input))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::io("starting a program"))?;
        finish(child, limits)
    }

    /// # Errors
    ///
    /// Where there is no such interpreter.
    pub fn python(&self, interpreter: Option<&Path>, prelude: &str) -> Result<Python, Error> {
        let interpreter = Interpreter::find(interpreter)?;
        Ok(Python { sandbox: self.clone(), interpreter, prelude: prelude.to_owned() })
    }
}

impl Interpreter {
    /// The interpreter at `path`, or the `python3` that the caller would start.
    ///
    /// # Errors
    ///
    /// Where it cannot be started.
    pub fn find(path: Option<&Path>) -> Result<Self, Error> {
        let path = path.unwrap_or(Path::new("python3"));
        let unusable = |why: String| Error::Interpreter { path: path.to_owned(), why };
        let answer = Command::new(path).args(["-c", "import sys; print(sys.executable)"]).output();
        let answer = answer.map_err(|error| unusable(error.to_string()))?;
        let executable = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
        if !answer.status.success() || executable.is_empty() {
            return Err(unusable("it does not say where it is".to_owned()));
        }
        Ok(Self { executable: executable.into(), readable: Vec::new(), path: Vec::new() })
    }
}

impl Python {
    /// The interpreter that runs the jobs.
    #[must_use]
    pub fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }

    /// Runs a job to its end; one with a harness needs Linux.
    ///
    /// # Errors
    ///
    /// For the machinery's own failures alone: what the program did is in the outcome.
    pub fn run(&self, job: &Job<'_>, limits: &Limits) -> Result<Outcome, Error> {
        let mut files = job.files.clone();
        files.push(("main.py".to_owned(), job.source.as_bytes().to_vec()));
        let executable = self.interpreter.executable.to_string_lossy().into_owned();
        let code = format!("{PROGRAM}\n{ALONE}");
        let words = ["-s", "-B", "-c", &code, &self.prelude, job.harness.unwrap_or_default()];
        let program = Program {
            argv: [executable].into_iter().chain(words.map(str::to_owned)).collect(),
            stdin: job.stdin,
            files,
            readable: Vec::new(),
            result_channel: job.harness.is_some(),
        };
        self.sandbox.run(&program, limits)
    }
}

fn finish(mut child: Child, limits: &Limits) -> Result<Outcome, Error> {
    let start = Instant::now();
    let stdout = child.stdout.take().map(|pipe| taken(pipe, limits.output));
    let stderr = child.stderr.take().map(|pipe| taken(pipe, limits.output));
    let status = wait(&mut child, limits.wall)?;
    let wall = start.elapsed();
    let join = |reader: Option<thread::JoinHandle<(Vec<u8>, bool)>>| {
        reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
    };
    let ((stdout, much), (stderr, more)) = (join(stdout), join(stderr));
    let end = match status {
        _ if much || more => End::OutputLimit,
        None => End::WallLimit,
        Some(status) => status.code().map_or(End::Signalled(signal(status)), End::Exited),
    };
    let (cpu, result, peak_memory) = (Duration::ZERO, Vec::new(), None);
    Ok(Outcome { end, stdout, stderr, result, cpu, wall, peak_memory })
}

/// The status, or `None` when the time was up first.
fn wait(child: &mut Child, wall: Duration) -> Result<Option<ExitStatus>, Error> {
    let start = Instant::now();
    while start.elapsed() < wall {
        if let Some(status) = child.try_wait().map_err(Error::io("waiting for a program"))? {
            return Ok(Some(status));
        }
        thread::sleep(LOOK);
    }
    let ended = child.kill().and_then(|()| child.wait());
    ended.map_err(Error::io("ending a program"))?;
    Ok(None)
}

/// What comes through a pipe up to a limit, and whether there was more; then the pipe is closed.
fn taken(pipe: impl Read + Send + 'static, limit: u64) -> thread::JoinHandle<(Vec<u8>, bool)> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before a failure is what there is.
        let _ = pipe.take(limit + 1).read_to_end(&mut bytes);
        let more = bytes.len() as u64 > limit;
        bytes.truncate(limit as usize);
        (bytes, more)
    })
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> i32 {
    std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or(0)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> i32 {
    0
}
