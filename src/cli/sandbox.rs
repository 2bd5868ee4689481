//! `wardrobe sandbox`: what this machine grants, and one program behind it.

use std::io::{IsTerminal, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand};
use sandbox::{End, Interpreter, Limits, Outcome, Program, Protections, Sandbox, Strictness};

use super::size;

/// Arguments of `wardrobe sandbox`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wardrobe sandbox check                           what stands between a program and this machine
  wardrobe sandbox run -- python3 solution.py < input.txt
  wardrobe sandbox run -- ./program input.txt
  wardrobe sandbox run --cpu 1 --memory 256M --sandbox strict -- python3 -c 'print(1)'")]
pub(super) struct SandboxArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say which protections this machine grants, and how to get those it does not
    Check(CheckArgs),
    /// Run one program behind them; its status is the status, 124 that it was stopped
    Run(RunArgs),
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Print the record as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// How much protection must stand: strict, best-effort or off
    #[arg(long, value_name = "HOW", default_value = "strict")]
    sandbox: Strictness,
    /// Processor time in seconds
    #[arg(long, value_name = "SECONDS", default_value = "6", value_parser = seconds)]
    cpu: Duration,
    /// Time by the clock in seconds
    #[arg(long, value_name = "SECONDS", default_value = "12", value_parser = seconds)]
    wall: Duration,
    /// Memory
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = memory)]
    memory: usize,
    /// Processes and threads at a time
    #[arg(long, value_name = "N", default_value_t = Limits::default().processes,
        value_parser = clap::value_parser!(u32).range(1..=MOST_PROCESSES))]
    processes: u32,
    /// Standard output and error, each
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = size::parse)]
    output: usize,
    /// All its files together
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = size::parse)]
    disk: usize,
    /// Number of its files
    #[arg(long, value_name = "N", default_value_t = Limits::default().files,
        value_parser = clap::value_parser!(u64).range(1..=MOST_FILES))]
    files: u64,
    /// The program, by name or path, and its arguments; of these, those that name a file are copied
    /// into its folder
    #[arg(required = true, last = true, value_name = "PROGRAM")]
    program: Vec<String>,
}

/// As many as Linux numbers.
const MOST_PROCESSES: i64 = 1 << 22;
/// More than a folder in memory has room for.
const MOST_FILES: u64 = 1 << 24;
/// With less than this not even small programs start, and how they end says nothing.
const LEAST_MEMORY: usize = 16 << 20;

fn memory(text: &str) -> Result<usize, String> {
    let memory = size::parse(text)?;
    if memory < LEAST_MEMORY {
        return Err(format!("expected 16MiB at least, with which programs start, found `{text}`"));
    }
    Ok(memory)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a time in seconds such as 6 or 0.5, found `{text}`");
    let number: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number).ok().filter(|time| !time.is_zero()).ok_or_else(wrong)
}

/// Runs the verb. The status of a program is the status of the command.
pub(super) fn run(args: &SandboxArgs) -> Result<ExitCode> {
    match &args.verb {
        Verb::Check(args) => check(args),
        Verb::Run(args) => start(args),
    }
}

fn check(args: &CheckArgs) -> Result<ExitCode> {
    let sandbox = Sandbox::new(Strictness::BestEffort)?;
    let protections = sandbox.protections();
    let text = if args.json {
        serde_json::to_string_pretty(protections)? + "\n"
    } else {
        described(protections)?
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn described(protections: &Protections) -> Result<String> {
    let name = |protection| -> Result<String> {
        Ok(serde_json::to_value(protection)?.as_str().unwrap_or_default().to_owned())
    };
    let mut text = String::new();
    for &protection in &protections.active {
        text += &format!("yes  {}\n", name(protection)?);
    }
    for missing in &protections.missing {
        let optional = if missing.protection.is_needed() { "" } else { " (optional)" };
        text += &format!("no   {}{optional}: {}\n", name(missing.protection)?, missing.why);
    }
    text += match protections.is_complete() {
        true if protections.missing.is_empty() => "Complete: --sandbox strict runs here.\n",
        true => {
            "Complete: --sandbox strict runs here. What is optional stands behind another that is there.\n"
        }
        false => {
            "Incomplete: --sandbox strict refuses here, best-effort runs with what there is.\n"
        }
    };
    Ok(text)
}

fn start(args: &RunArgs) -> Result<ExitCode> {
    let sandbox = Sandbox::new(args.sandbox)?;
    let mut stdin = Vec::new();
    if !std::io::stdin().is_terminal() {
        std::io::stdin().read_to_end(&mut stdin).context("cannot read standard input")?;
    }
    let (program, limits) = (program(&args.program, &stdin)?, limits(args));
    let outcome = sandbox.run(&program, &limits)?;
    std::io::stdout().write_all(&outcome.stdout)?;
    std::io::stderr().write_all(&outcome.stderr)?;
    status(&outcome, &limits)
}

fn limits(args: &RunArgs) -> Limits {
    Limits {
        cpu: args.cpu,
        wall: args.wall,
        memory: args.memory as u64,
        processes: args.processes,
        output: args.output as u64,
        disk: args.disk as u64,
        files: args.files,
    }
}

/// A Python is found as the shell would find it and may read where it lives; a program by its path is
/// readable where it lies; an argument that names a file becomes a copy of the file.
fn program<'a>(words: &[String], stdin: &'a [u8]) -> Result<Program<'a>> {
    let mut program = Program { argv: words.to_vec(), stdin, ..Program::default() };
    let mut copied: Vec<PathBuf> = Vec::new();
    for word in program.argv.iter_mut().skip(1) {
        let path = PathBuf::from(&*word);
        if path.is_file() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            *word = name.clone();
            if !is_new(&path, &copied)? {
                continue;
            }
            program.files.push((name, fs_err::read(&path)?));
            copied.push(path);
        }
    }
    let first = program.argv.first_mut().ok_or_else(|| anyhow!("there is no program to run"))?;
    let name = Path::new(&*first).file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name.starts_with("python") {
        let found = Interpreter::find(Some(Path::new(&*first)))?;
        *first = found.executable.to_string_lossy().into_owned();
        program.readable = found.readable;
    } else if first.contains('/') {
        let path = own_program(first)?;
        *first = path.to_string_lossy().into_owned();
        program.readable = vec![path];
    }
    Ok(program)
}

/// Whether no file of this name is copied yet; another one of the name is refused.
fn is_new(path: &Path, copied: &[PathBuf]) -> Result<bool> {
    match copied.iter().find(|other| other.file_name() == path.file_name()) {
        None => Ok(true),
        Some(other) if fs_err::canonicalize(other)? == fs_err::canonicalize(path)? => Ok(false),
        Some(other) => bail!(
            "{} and {} would be copied into one folder under one name; rename one of them",
            other.display(),
            path.display()
        ),
    }
}

/// The absolute path of a program that may be started.
fn own_program(word: &str) -> Result<PathBuf> {
    let path = Path::new(word);
    let Ok(found) = fs_err::metadata(path) else { bail!("there is no program {word}") };
    if !found.is_file() {
        bail!("{word} is a folder; name the program in it");
    }
    if found.permissions().mode() & 0o111 == 0 {
        bail!(
            "{word} may not be executed: chmod +x {word}, or name its interpreter first, as in sh {word}"
        );
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs_err::canonicalize(folder.unwrap_or(Path::new(".")))?;
    Ok(folder.join(path.file_name().unwrap_or_default()))
}

/// The program's own status as a shell gives it; one line and 124 where a limit stopped it.
#[expect(clippy::print_stderr, reason = "the line is this command's result")]
fn status(outcome: &Outcome, limits: &Limits) -> Result<ExitCode> {
    let stopped = |why: String| {
        eprintln!("stopped: {why}");
        124
    };
    let code = match outcome.end {
        End::Exited(status) => status,
        End::Signalled(signal) => 128 + signal,
        End::CpuLimit => stopped(format!("more than {:?} of processor time", limits.cpu)),
        End::WallLimit => stopped(format!("more than {:?} by the clock", limits.wall)),
        End::MemoryLimit => stopped(format!("more than {} bytes of memory", limits.memory)),
        End::OutputLimit => stopped(format!("more than {} bytes of output", limits.output)),
        End::Violation => stopped("a system call that no such program needs".to_owned()),
    };
    Ok(ExitCode::from(u8::try_from(code).context("a status has 8 bits")?))
}
