//! SIGINT and SIGTERM while something is written: what is unfinished is removed, then the program ends
//! as a shell expects of one that a signal ended; a long run is asked to come to an end by itself first.
//! A kill that cannot be caught leaves drafts, which the next writer of the same path removes.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::terminal;

/// SIGINT and SIGTERM, which no longer end the program by themselves.
pub(super) struct Signals {
    runtime: Runtime,
    both: [Signal; 2],
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let runtime = runtime.context("cannot wait for signals")?;
        let both = || Ok([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?]);
        let both: std::io::Result<[Signal; 2]> = runtime.block_on(async { both() });
        Ok(Self { both: both.context("cannot wait for signals")?, runtime })
    }

    /// Waits for the next one: its name and number.
    pub(super) fn next(&mut self) -> (&'static str, i32) {
        let [interrupt, terminate] = &mut self.both;
        self.runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
                _ = terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
            }
        })
    }
}

/// Held by a command that is to clean up. A command whose files a signal takes away fails; here it waits,
/// so that the signal has the last word and not that failure.
pub(super) struct Watch {
    came: Arc<AtomicBool>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        while self.came.load(Ordering::Acquire) {
            std::thread::park();
        }
    }
}

/// Calls `clean` when the first of both signals comes, says so in one line, and ends the program.
pub(super) fn clean_up(clean: impl FnOnce() + Send + 'static) -> Result<Watch> {
    let mut signals = Signals::listen()?;
    let came = Arc::new(AtomicBool::new(false));
    let watch = Watch { came: Arc::clone(&came) };
    std::thread::spawn(move || {
        let (name, number) = signals.next();
        came.store(true, Ordering::Release);
        clean();
        let error = terminal::red("error:");
        say(&format!("{error} ended by {name}; what was unfinished has been removed"));
        std::process::exit(128 + number);
    });
    Ok(watch)
}

/// The first signal after [`ask_first`], as a shell's exit status.
#[derive(Clone, Default)]
pub(super) struct Asked(Arc<AtomicU8>);

impl Asked {
    /// 128 and the signal's number, once one has come.
    pub(super) fn status(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Acquire)).filter(|&status| status > 0)
    }
}

/// What there is to wait for once a command was asked to end.
pub(super) enum Waiting {
    /// What is under way, which ends as these words say.
    For(&'static str),
    /// Nothing: the program ends, at the moment that these words name.
    Nothing(&'static str),
}

/// Calls `ask` when the first of both signals comes. Where that says that there is something to wait for,
/// so does a line, and a second signal ends the program at once; otherwise the first does.
pub(super) fn ask_first(ask: impl FnOnce() -> Waiting + Send + 'static) -> Result<Asked> {
    let mut signals = Signals::listen()?;
    let asked = Asked::default();
    let status = Arc::clone(&asked.0);
    std::thread::spawn(move || {
        let (name, number) = signals.next();
        status.store(128 + number as u8, Ordering::Release);
        match ask() {
            Waiting::For(what) => say(&format!("{name}: {what}; again to end at once")),
            Waiting::Nothing(when) => {
                say(&format!("{} ended by {name} {when}", terminal::red("error:")));
                std::process::exit(128 + number);
            }
        }
        let (_, number) = signals.next();
        std::process::exit(128 + number);
    });
    Ok(asked)
}

/// Says a line on stderr, where a person waits for it.
#[expect(clippy::print_stderr, reason = "a person waits for it")]
pub(super) fn say(line: &str) {
    // A bar may stand in the line.
    let clear = if std::io::stderr().is_terminal() { "\r\x1b[2K" } else { "" };
    eprintln!("{clear}{line}");
}
